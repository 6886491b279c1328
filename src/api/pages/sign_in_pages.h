// The pages for people who sign in: /sign-in, and /setup, which the link of the first start opens.
// Whole and offline; what they do, they do with the API.
#pragma once
#include <map>
#include <string_view>
#include <tuple>

#include "http/route.h"
#include "pages/static_file.h"

namespace corbel::pages {

class SignInPages {
 public:
  SignInPages();
  SignInPages(const SignInPages&) = delete;
  SignInPages& operator=(const SignInPages&) = delete;

  // Mount them without a tag: they are pages, not part of the API.
  static constexpr auto routes() {
    constexpr http::RouteOptions kPage{.limit = http::LimitClass::none, .contentType = "text/html"};
    const auto page = [=](std::string_view path, std::string_view summary) {
      return http::get<&SignInPages::serve>(path, http::openToAll, summary, kPage);
    };
    return std::tuple{page("/sign-in", "Sign in and out"),
                      page("/sign-in/sign-in.css", "Look of /sign-in and /setup"),
                      page("/sign-in/sign-in.js", "Works /sign-in"),
                      page("/setup", "Make the first user"),
                      page("/setup/setup.js", "Works /setup")};
  }

 private:
  void serve(http::Call call, http::Reply<http::Response> reply);

  std::map<std::string_view, StaticFile> files_;  // by path
};

}  // namespace corbel::pages
