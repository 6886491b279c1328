// Files that are part of the program: the documentation pages and the libraries they use. Put in at
// build time.
#pragma once
#include <string_view>

namespace corbel::pages::assets {

extern const std::string_view kDocsHtml;
extern const std::string_view kDocsCss;
extern const std::string_view kDocsJs;
extern const std::string_view kRedocHtml;
extern const std::string_view kRedocCss;
extern const std::string_view kRedocJs;
extern const std::string_view kStatusHtml;
extern const std::string_view kIcon;
extern const std::string_view kSignInHtml;
extern const std::string_view kSignInCss;
extern const std::string_view kSignInJs;
extern const std::string_view kSetupHtml;
extern const std::string_view kSetupJs;
extern const std::string_view kSwaggerUiCss;
extern const std::string_view kSwaggerUiJs;
extern const std::string_view kRedocLibrary;

}  // namespace corbel::pages::assets
