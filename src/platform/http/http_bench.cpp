// Answers every request with "ok", to measure what the server itself costs:
//   taskset -c 0 http_bench 8080 & taskset -c 1 wrk -t1 -c32 -d5 http://127.0.0.1:8080/
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "http/server.h"

namespace {

using namespace corbel;

class Ok final : public http::Service {
 public:
  void onHead(const std::shared_ptr<http::Exchange>& exchange) override {
    exchange->readBody({.maxBytes = limits::kJsonBody, .sink = {}});
  }
  void onBody(const std::shared_ptr<http::Exchange>& exchange) override {
    exchange->complete({.status = 200, .contentType = "text/plain", .headers = {}, .body = "ok"});
  }
  void onSent(http::Exchange&, const http::Sent&) override { ++answered_; }
  http::Response onUnreadable(const Error& error, const http::RequestHead&,
                              http::Exchange*) override {
    return {.status = 400, .contentType = "text/plain", .headers = {}, .body = error.message};
  }
  std::uint64_t answered() const { return answered_; }

 private:
  std::atomic<std::uint64_t> answered_ = 0;
};

double cpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int count, char** arguments) {
  Ok service;
  const SystemClock clock;
  const int port = count > 1 ? std::atoi(arguments[1]) : 8080;
  const auto server = http::Server::start(
      {.endpoints = {{.port = static_cast<std::uint16_t>(port)}}}, service, clock);
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    return 1;
  }
  std::puts("press Enter to stop");
  std::getchar();
  const auto answered = static_cast<double>(service.answered());
  std::printf("%.0f requests, %.2f us CPU each\n", answered, cpuSeconds() * 1e6 / answered);
  return 0;
}
