// The page at `/`: is it up, where is the documentation, what to do first. Open to all, so it tells
// nothing about tenants.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <tuple>

#include "http/route.h"

namespace corbel::pages {

class StatusPage {
 public:
  // What else is served at the same address.
  struct Links {
    bool docs = true;
    bool metrics = true;
  };

  // `version` is a literal. `isReady` is asked on network threads and must not block.
  StatusPage(std::string_view version, Links links, std::function<bool()> isReady);

  // Mount them without a tag: they are pages, not part of the API.
  static constexpr auto routes() {
    constexpr http::RouteOptions kPage{.limit = http::LimitClass::none, .contentType = "text/html"};
    return std::tuple{http::get<&StatusPage::show>("/", http::openToAll, "Status", kPage)};
  }

 private:
  void show(http::Call call, http::Reply<http::Response> reply);

  std::string_view version_;
  Links links_;
  std::function<bool()> isReady_;
  std::string policy_;
};

}  // namespace corbel::pages
