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
  withService = true;
  abandoned_ = false;
}

// Where the loop has ended, so have all other threads that use the connection.
void HttpExchange::readBody(BodyPlan plan) {
  if (loop_->onThisThread()) return planBody(std::move(plan));
  planOnItsWay_ = std::move(plan);
  const auto go = [exchange = self()] { exchange->planBody(std::move(exchange->planOnItsWay_)); };
  if (!loop_->post(go)) go();
}

void HttpExchange::send(Response toSend) {
  if (loop_->onThisThread()) return respond(std::move(toSend));
  responseOnItsWay_ = std::move(toSend);
  const auto go = [exchange = self()] {
    exchange->respond(std::move(exchange->responseOnItsWay_));
  };
  if (!loop_->post(go)) go();
}

void HttpExchange::planBody(BodyPlan plan) {
  if (takeBack()) connection_->planBody(*this, std::move(plan));
}

void HttpExchange::respond(Response toSend) {
  sent.status = toSend.status;
  takeBack() ? connection_->respond(*this, std::move(toSend)) : letGo(toSend);
}

// false: nobody waits for it any more.
bool HttpExchange::takeBack() {
  withService = false;
  if (!abandoned_) return true;
  abandoned_ = false;
  report();
  return false;
}

void HttpExchange::abandon() {
  sent.aborted = true;
  try {
    tellGone();
  } catch (...) {  // NOLINT(bugprone-empty-catch): who cannot stop goes on
  }
  if (!withService) return report();
  abandoned_ = true;
}

void HttpExchange::report() {
  try {
    service_.onSent(*this, sent);
  } catch (
      ...) {  // NOLINT(bugprone-empty-catch): the response is out, there is nobody left to tell
  }
  response = {};
}

void HttpExchange::chunkDone(Result<void> result) {
  if (loop_->onThisThread()) return connection_->chunkDone(*this, std::move(result));
  static_cast<void>(loop_->post([exchange = self(), result = std::move(result)]() mutable {
    exchange->connection_->chunkDone(*exchange, std::move(result));
  }));
}

}  // namespace corbel::http
