#include "native/metrics_api.h"

#include "native/installation.h"

namespace corbel::native {

Result<http::Response> MetricsApi::expose(http::Call& call) {
  CORBEL_CHECK(requireInstallation(call));
  call.addHeader("Cache-Control", "no-store");
  return http::Response{
      .contentType = metrics::Metrics::kContentType, .headers = {}, .body = metrics_.expose()};
}

}  // namespace corbel::native
