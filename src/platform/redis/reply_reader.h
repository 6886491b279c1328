// Turns bytes of a server into replies; hiredis's parser behind bounds of ours.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "redis/redis.h"

struct redisReader;

namespace corbel::redis {

// For one thread at a time. After an error it must not be used any more.
class ReplyReader {
 public:
  ReplyReader();
  ~ReplyReader();
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;

  // The next reply, once all of it is there. unavailable: garbage, more than kReplyBytes or more
  // than kReplyElements.
  Result<std::optional<Reply>> feed(std::string_view bytes);
  // Whether nothing has come behind the last reply: it would be taken for the answer to the next
  // command.
  bool isEmpty() const;

 private:
  std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;
  std::size_t bytes_ = 0;     // since the last reply
  std::size_t elements_ = 0;  // of the reply that is being read
};

}  // namespace corbel::redis
