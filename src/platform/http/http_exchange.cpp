#include "http_exchange.h"

#include <utility>

#include "base/clock.h"
#include "base/result.h"
#include "connection.h"
#include "http/message.h"

namespace corbel::http {

void HttpExchange::begin(SteadyTime startedAt) {
  reset(startedAt);
  response = {};
  sent = {};
}

void HttpExchange::readBody(BodyPlan plan) {
  if (loop_->onThisThread()) return connection_->planBody(*this, std::move(plan));
  planOnItsWay_ = std::move(plan);
  loop_->post([exchange = self()] {
    exchange->connection_->planBody(*exchange, std::move(exchange->planOnItsWay_));
  });
}

void HttpExchange::send(Response toSend) {
  if (loop_->onThisThread()) return connection_->respond(*this, std::move(toSend));
  responseOnItsWay_ = std::move(toSend);
  loop_->post([exchange = self()] {
    exchange->connection_->respond(*exchange, std::move(exchange->responseOnItsWay_));
  });
}

void HttpExchange::chunkDone(Result<void> result) {
  if (loop_->onThisThread()) return connection_->chunkDone(*this, std::move(result));
  loop_->post([exchange = self(), result = std::move(result)]() mutable {
    exchange->connection_->chunkDone(*exchange, std::move(result));
  });
}

}  // namespace corbel::http
