#include "native/metrics_api.h"

namespace corbel::native {

Result<http::Response> MetricsApi::expose(http::Call& call) {
  call.addHeader("Cache-Control", "no-store");
  return http::Response{
      .contentType = metrics::Metrics::kContentType, .headers = {}, .body = metrics_.expose()};
}

}  // namespace corbel::native
