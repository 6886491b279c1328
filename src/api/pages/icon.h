// The icon that every page names. Open to all.
#pragma once
#include <tuple>

#include "http/route.h"
#include "pages/static_file.h"

namespace corbel::pages {

class Icon {
 public:
  Icon();

  // Mount it without a tag.
  static constexpr auto routes() {
    constexpr http::RouteOptions kFile{.limit = http::LimitClass::none,
                                       .contentType = "image/svg+xml"};
    return std::tuple{
        http::get<&Icon::serve>("/icon.svg", http::openToAll, "Icon of the pages", kFile)};
  }

 private:
  void serve(http::Call call, http::Reply<http::Response> reply);

  StaticFile file_;
};

}  // namespace corbel::pages
