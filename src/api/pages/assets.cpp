#include "assets.h"

#include <cstddef>

// Not #embed: ccache 4.7 does not see the files behind it and serves stale objects. It knows
// .incbin and steps aside. NOLINTBEGIN(bugprone-macro-parentheses): names to declare
#define CORBEL_EMBED(symbol, file)                                         \
  asm(".pushsection .rodata\n" #symbol ":\n.incbin \"" file "\"\n" #symbol \
      "_end:\n.byte 0\n.popsection\n");                                    \
  extern "C" const char symbol[];                                          \
  extern "C" const char symbol##_end[]
// NOLINTEND(bugprone-macro-parentheses)

CORBEL_EMBED(corbel_docs_html, CORBEL_PAGES "/docs.html");
CORBEL_EMBED(corbel_docs_css, CORBEL_PAGES "/docs.css");
CORBEL_EMBED(corbel_docs_js, CORBEL_PAGES "/docs.js");
CORBEL_EMBED(corbel_redoc_html, CORBEL_PAGES "/redoc.html");
CORBEL_EMBED(corbel_redoc_css, CORBEL_PAGES "/redoc.css");
CORBEL_EMBED(corbel_redoc_js, CORBEL_PAGES "/redoc.js");
CORBEL_EMBED(corbel_status_html, CORBEL_PAGES "/status.html");
CORBEL_EMBED(corbel_icon, CORBEL_PAGES "/icon.svg");
CORBEL_EMBED(corbel_sign_in_html, CORBEL_PAGES "/sign-in.html");
CORBEL_EMBED(corbel_sign_in_css, CORBEL_PAGES "/sign-in.css");
CORBEL_EMBED(corbel_sign_in_js, CORBEL_PAGES "/sign-in.js");
CORBEL_EMBED(corbel_setup_html, CORBEL_PAGES "/setup.html");
CORBEL_EMBED(corbel_setup_js, CORBEL_PAGES "/setup.js");
CORBEL_EMBED(corbel_swagger_css, CORBEL_DOCS_UI "/swagger-ui.css");
CORBEL_EMBED(corbel_swagger_js, CORBEL_DOCS_UI "/swagger-ui-bundle.js");
CORBEL_EMBED(corbel_redoc_library, CORBEL_DOCS_UI "/redoc.standalone.js");

namespace corbel::pages::assets {
namespace {

std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace

const std::string_view kDocsHtml = between(corbel_docs_html, corbel_docs_html_end);
const std::string_view kDocsCss = between(corbel_docs_css, corbel_docs_css_end);
const std::string_view kDocsJs = between(corbel_docs_js, corbel_docs_js_end);
const std::string_view kRedocHtml = between(corbel_redoc_html, corbel_redoc_html_end);
const std::string_view kRedocCss = between(corbel_redoc_css, corbel_redoc_css_end);
const std::string_view kRedocJs = between(corbel_redoc_js, corbel_redoc_js_end);
const std::string_view kStatusHtml = between(corbel_status_html, corbel_status_html_end);
const std::string_view kIcon = between(corbel_icon, corbel_icon_end);
const std::string_view kSignInHtml = between(corbel_sign_in_html, corbel_sign_in_html_end);
const std::string_view kSignInCss = between(corbel_sign_in_css, corbel_sign_in_css_end);
const std::string_view kSignInJs = between(corbel_sign_in_js, corbel_sign_in_js_end);
const std::string_view kSetupHtml = between(corbel_setup_html, corbel_setup_html_end);
const std::string_view kSetupJs = between(corbel_setup_js, corbel_setup_js_end);
const std::string_view kSwaggerUiCss = between(corbel_swagger_css, corbel_swagger_css_end);
const std::string_view kSwaggerUiJs = between(corbel_swagger_js, corbel_swagger_js_end);
const std::string_view kRedocLibrary = between(corbel_redoc_library, corbel_redoc_library_end);

}  // namespace corbel::pages::assets
