#include "connection.h"

#include <algorithm>
#include <utility>

namespace corbel::redis {
namespace {

constexpr std::size_t kShown = 200;  // of a server's words

}  // namespace

std::string shown(std::string_view text) {
  std::string safe(text.substr(0, kShown));
  std::ranges::replace_if(safe, [](char c) { return c < ' ' || c > '~'; }, '?');
  return safe;
}

std::string encode(std::span<const std::string_view> words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string_view word : words) {
    text += '$';
    text += std::to_string(word.size());
    text += "\r\n";
    text += word;
    text += "\r\n";
  }
  return text;
}

Result<std::unique_ptr<Connection>> Connection::open(const Options& options, Deadline deadline,
                                                     const Clock& clock) {
  CORBEL_TRY(auto socket, Socket::connect(options, deadline, clock));
  std::unique_ptr<Connection> made(new Connection(std::move(socket)));
  const std::string_view password = options.password.reveal();
  if (!options.username.empty()) {
    CORBEL_CHECK(made->mustBeFine({"AUTH", options.username, password}, deadline));
  } else if (!password.empty()) {
    CORBEL_CHECK(made->mustBeFine({"AUTH", password}, deadline));
  }
  if (options.database != 0)
    CORBEL_CHECK(made->mustBeFine({"SELECT", std::to_string(options.database)}, deadline));
  // In the time that commands have: a server that answers too slowly is none.
  CORBEL_CHECK(
      made->mustBeFine({"PING"}, deadline.earlier(Deadline::after(clock, options.timeout))));
  return made;
}

Result<void> Connection::mustBeFine(std::initializer_list<std::string_view> words,
                                    Deadline deadline) {
  CORBEL_TRY(const Reply reply, ask(encode(std::span(words.begin(), words.size())), deadline));
  if (reply.kind != Reply::Kind::error) return {};
  return fail(ErrorCode::unavailable, "Redis: " + shown(reply.text));
}

Result<Reply> Connection::ask(std::string_view encoded, Deadline deadline) {
  CORBEL_CHECK(socket_->write(encoded, deadline));
  while (true) {
    CORBEL_TRY(const std::string_view bytes, socket_->read(deadline));
    CORBEL_TRY(auto reply, reader_.feed(bytes));
    if (!reply) continue;
    if (!reader_.isEmpty())
      return fail(ErrorCode::unavailable, "Redis: it sent two answers to one command.");
    return *std::move(reply);
  }
}

}  // namespace corbel::redis
