// The page at `/`: is it up, where is the documentation, what to do first. Open to all, so it tells
// nothing about tenants.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <tuple>

#include "http/route.h"
#include "pages/static_file.h"

namespace corbel::pages {

class StatusPage {
 public:
  enum class Docs : std::uint8_t { open, closed };

  // `version` is a literal. `isReady` is asked on network threads and must not block.
  StatusPage(std::string_view version, Docs docs, std::function<bool()> isReady);

  // Mount them without a tag: they are pages, not part of the API.
  static constexpr auto routes() {
    constexpr http::RouteOptions kPage{.limit = http::LimitClass::none, .contentType = "text/html"};
    return std::tuple{
        http::get<&StatusPage::show>("/", http::openToAll, "Status", kPage),
        http::get<&StatusPage::icon>("/icon.svg", http::openToAll, "Icon of the pages", kPage)};
  }

 private:
  void show(http::Call call, http::Reply<http::Response> reply);
  void icon(http::Call call, http::Reply<http::Response> reply);

  std::string_view version_;
  Docs docs_;
  std::function<bool()> isReady_;
  std::string policy_;
  StaticFile icon_;
};

}  // namespace corbel::pages
