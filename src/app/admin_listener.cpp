#include "app/admin_listener.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace corbel::app {

Result<std::unique_ptr<AdminListener>> AdminListener::start(http::Address address,
                                                            const Parts& parts,
                                                            std::vector<std::string> allowedHosts) {
  std::unique_ptr<AdminListener> listener(new AdminListener(parts.metrics));
  auto routes = http::mount(*listener, "");
  if (parts.docs != nullptr) {
    std::ranges::move(http::mount(*parts.docs, ""), std::back_inserter(routes));
    std::ranges::move(http::mount(parts.icon, ""), std::back_inserter(routes));
  }
  listener->router_ = std::make_unique<http::Router>(std::move(routes));
  listener->dispatcher_ = std::make_unique<http::Dispatcher>(
      http::Dispatcher::Parts{*listener->router_, parts.admission, parts.observer, parts.pool,
                              parts.clock, parts.ids},
      http::DispatcherOptions{.cors = {}, .allowedHosts = std::move(allowedHosts)});
  CORBEL_TRY(listener->server_,
             http::Server::start(std::move(address), {}, *listener->dispatcher_, parts.clock));
  return listener;
}

void AdminListener::expose(http::Call call, http::Reply<http::Response> reply) {
  call.addHeader("Cache-Control", "no-store");
  reply(http::Response{
      .contentType = metrics::Metrics::kContentType, .headers = {}, .body = metrics_.expose()});
}

}  // namespace corbel::app
