#include "reply_reader.h"

#include <hiredis/hiredis.h>

#include <exception>
#include <new>
#include <utility>

namespace corbel::redis {
namespace {

Reply::Kind kindOf(int type) {
  switch (type) {
    case REDIS_REPLY_STRING:
      return Reply::Kind::text;
    case REDIS_REPLY_STATUS:
      return Reply::Kind::status;
    case REDIS_REPLY_ERROR:
      return Reply::Kind::error;
    case REDIS_REPLY_ARRAY:
      return Reply::Kind::array;
    case REDIS_REPLY_INTEGER:
      return Reply::Kind::integer;
    default:
      return Reply::Kind::nil;
  }
}

// Where the parser wants it: in the array it belongs to, whose elements stay where they are, or
// alone. Null makes the parser give up; exceptions must not pass through it.
Reply* place(const redisReadTask* task) noexcept {
  auto& left = *static_cast<std::size_t*>(task->privdata);
  if (left == 0) return nullptr;
  --left;
  Reply* reply = nullptr;
  if (task->parent != nullptr) {
    auto* const array = static_cast<Reply*>(task->parent->obj);
    reply = &array->elements[static_cast<std::size_t>(task->idx)];
  } else {
    reply = new (std::nothrow) Reply;
  }
  if (reply != nullptr) reply->kind = kindOf(task->type);
  return reply;
}

void drop(const redisReadTask* task, Reply* reply) {
  if (task->parent == nullptr) delete reply;
}

void* makeText(const redisReadTask* task, char* text, std::size_t size) {
  Reply* const reply = place(task);
  if (reply == nullptr) return nullptr;
  try {
    reply->text.assign(text, size);
  } catch (const std::exception&) {
    drop(task, reply);
    return nullptr;
  }
  return reply;
}

void* makeArray(const redisReadTask* task, int count) {
  // Before anything is made of it: the number is the server's word alone.
  if (count < 0 || static_cast<std::size_t>(count) > *static_cast<std::size_t*>(task->privdata))
    return nullptr;
  Reply* const reply = place(task);
  if (reply == nullptr) return nullptr;
  try {
    reply->elements.resize(static_cast<std::size_t>(count));
  } catch (const std::exception&) {
    drop(task, reply);
    return nullptr;
  }
  return reply;
}

// The parser keeps `long long`; that has 64 bits everywhere.
void* makeInteger(const redisReadTask* task, long long value) {  // NOLINT(google-runtime-int)
  Reply* const reply = place(task);
  if (reply != nullptr) reply->integer = value;
  return reply;
}

void* makeNil(const redisReadTask* task) {
  Reply* const reply = place(task);
  if (reply != nullptr) reply->kind = Reply::Kind::nil;
  return reply;
}

void destroy(void* reply) { delete static_cast<Reply*>(reply); }

constexpr redisReplyObjectFunctions kFunctions{.createString = makeText,
                                               .createArray = makeArray,
                                               .createInteger = makeInteger,
                                               .createNil = makeNil,
                                               .freeObject = destroy};

}  // namespace

ReplyReader::ReplyReader()
    // It only reads them.
    : reader_(redisReaderCreateWithFunctions(const_cast<redisReplyObjectFunctions*>(&kFunctions)),
              redisReaderFree),
      elements_(kReplyElements) {
  if (reader_) reader_->privdata = &elements_;
}

ReplyReader::~ReplyReader() = default;

Result<std::optional<Reply>> ReplyReader::feed(std::string_view bytes) {
  bytes_ += bytes.size();
  if (!reader_ || bytes_ > kReplyBytes)
    return fail(ErrorCode::unavailable, "Redis sent an answer that is too long.");
  void* found = nullptr;
  if (redisReaderFeed(reader_.get(), bytes.data(), bytes.size()) != REDIS_OK ||
      redisReaderGetReply(reader_.get(), &found) != REDIS_OK) {
    return fail(ErrorCode::unavailable, "Redis sent what is no answer, or one that is too long.");
  }
  if (found == nullptr) return std::nullopt;
  const std::unique_ptr<Reply> reply(static_cast<Reply*>(found));
  bytes_ = 0;
  elements_ = kReplyElements;
  return std::move(*reply);
}

bool ReplyReader::isEmpty() const { return reader_->pos == reader_->len; }

}  // namespace corbel::redis
