// Spans as OTLP writes them: ExportTraceServiceRequest in protobuf
// (opentelemetry-proto 1.x, collector/trace/v1/trace_service.proto).
#pragma once
#include <span>
#include <string>

#include "base/trace.h"

namespace corbel::trace {

struct ServiceName {
  std::string name;
  std::string version;
  std::string instance;
};

std::string toOtlp(std::span<const FinishedSpan> spans, const ServiceName& service);

}  // namespace corbel::trace
