#include "pages/sign_in_pages.h"

#include <utility>

#include "assets.h"

namespace corbel::pages {
namespace {

// Everything from this server and nothing inline; forms are sent by the script alone.
constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
constexpr std::string_view kFilePolicy = "default-src 'none'; frame-ancestors 'none'";

constexpr std::string_view kHtml = "text/html; charset=utf-8";
constexpr std::string_view kCss = "text/css; charset=utf-8";
constexpr std::string_view kScript = "text/javascript; charset=utf-8";

}  // namespace

SignInPages::SignInPages()
    : files_{{"/sign-in", {assets::kSignInHtml, kHtml, kPagePolicy}},
             {"/sign-in/sign-in.css", {assets::kSignInCss, kCss, kFilePolicy}},
             {"/sign-in/sign-in.js", {assets::kSignInJs, kScript, kFilePolicy}},
             {"/setup", {assets::kSetupHtml, kHtml, kPagePolicy}},
             {"/setup/setup.js", {assets::kSetupJs, kScript, kFilePolicy}}} {}

// NOLINTNEXTLINE(performance-unnecessary-value-param): the form of a handler that answers at once
void SignInPages::serve(http::Call call, http::Reply<http::Response> reply) {
  reply(files_.at(call.route().path).answer(call.head()));
}

}  // namespace corbel::pages
