#include "pages/icon.h"

#include "assets.h"

namespace corbel::pages {

Icon::Icon()
    : file_(assets::kIcon, "image/svg+xml", "default-src 'none'; frame-ancestors 'none'") {}

// NOLINTNEXTLINE(performance-unnecessary-value-param): the form of a handler that answers at once
void Icon::serve(http::Call call, http::Reply<http::Response> reply) {
  reply(file_.answer(call.head()));
}

}  // namespace corbel::pages
