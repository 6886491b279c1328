// One signed-in connection: a command goes out, its answer comes back.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"
#include "redis/redis.h"
#include "reply_reader.h"
#include "socket.h"

namespace corbel::redis {

// The command as the protocol wants it: an array of bulk strings.
std::string encode(std::span<const std::string_view> words);

// Words of the server, for operators: printable, and not endless.
std::string shown(std::string_view text);

// For one thread at a time. After an error it must not be used any more: an answer that comes late
// would be taken for the answer to the next command.
class Connection {
 public:
  // Signs in, chooses the database, and knows that the server answers.
  static Result<std::unique_ptr<Connection>> open(const Options& options, Deadline deadline,
                                                  const Clock& clock);

  Result<Reply> ask(std::string_view encoded, Deadline deadline);
  bool isQuiet() { return reader_.isEmpty() && socket_->isQuiet(); }

 private:
  explicit Connection(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}
  // An error reply is an error here.
  Result<void> mustBeFine(std::initializer_list<std::string_view> words, Deadline deadline);

  std::unique_ptr<Socket> socket_;
  ReplyReader reader_;
};

}  // namespace corbel::redis
