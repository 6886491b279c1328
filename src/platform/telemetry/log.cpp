#include "telemetry/log.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "base/text.h"
#include "line.h"

namespace corbel::log {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kGather{20};         // lines are written together
constexpr std::chrono::seconds kPatience{1};             // of flush() for the writer
constexpr std::chrono::milliseconds kBlockedPoll{1000};  // while the reader of a pipe is slow
constexpr std::size_t kKeptCapacity = 1 << 20;

// Until all is written or the descriptor fails: then nobody can be told.
void writeAll(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count > 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (count < 0 && errno == EAGAIN) {
      pollfd writable{descriptor, POLLOUT, 0};
      poll(&writable, 1, static_cast<int>(kBlockedPoll.count()));
    } else if (count == 0 || errno != EINTR) {
      return;
    }
  }
}

}  // namespace

class LineWriter {
 public:
  LineWriter(SinkOptions options, const Clock& clock)
      : options_(std::move(options)), clock_(clock), thread_([this] { run(); }) {}

  ~LineWriter() {
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }

  bool enabled(std::string_view module, Level level) const {
    if (options_.levels.empty()) return level >= options_.level;
    for (const auto& [name, own] : options_.levels) {
      if (name == module) return level >= own;
    }
    return level >= options_.level;
  }

  void write(Level level, std::string_view module, std::string_view message,
             std::span<const Field> fields) {
    thread_local std::string line;
    line.clear();
    format(line, {clock_.now(), level, module, message, fields});
    append(line, level);
    if (line.capacity() > kLineBytes) line = {};
  }

  void flush() {
    MutexLock lock(mutex_);
    const std::uint64_t all = accepted_;
    urgent_ = true;
    changed_.notify_all();
    const auto until = steady_clock::now() + kPatience;
    while (written_ < all && lock.waitUntil(emptied_, until)) {
    }
  }

  SinkStats stats() const {
    const MutexLock lock(mutex_);
    return {written_, dropped_};
  }

 private:
  void format(std::string& out, const Event& event) const {
    if (options_.format == Format::json) return appendJsonLine(out, event, options_.service);
    appendTextLine(out, event, options_.coloured);
  }

  void append(std::string_view line, Level level) {
    const MutexLock lock(mutex_);
    // Errors have as much room again.
    const std::size_t room = options_.bufferBytes * (level == Level::error ? 2 : 1);
    if (waiting_.size() + line.size() > room) {
      ++dropped_;
      return;
    }
    waiting_ += line;
    ++accepted_;
    const bool first = waiting_.size() == line.size();
    const bool hurry = level == Level::error || waiting_.size() > options_.bufferBytes / 2;
    if (first || (hurry && !urgent_)) {
      urgent_ = urgent_ || hurry;
      changed_.notify_all();
    }
  }

  void run() {
    std::string text;
    for (std::uint64_t lines = 0; gather(text, lines);) {
      writeAll(options_.descriptor, text);
      text.clear();
      if (text.capacity() > kKeptCapacity) text = {};
    }
  }

  // Waits for lines and takes them into `text`, which the caller writes before it comes again.
  // false: nothing is left.
  bool gather(std::string& text, std::uint64_t& lines) {
    MutexLock lock(mutex_);
    written_ += std::exchange(lines, 0);
    emptied_.notify_all();
    while (waiting_.empty() && dropped_ == droppedTold_ && !stopping_) lock.wait(changed_);
    const auto until = steady_clock::now() + kGather;
    while (!urgent_ && !stopping_ && lock.waitUntil(changed_, until)) {
    }
    urgent_ = false;
    text.swap(waiting_);
    lines = accepted_ - written_;
    if (dropped_ != droppedTold_) tellDropped(text);
    return !text.empty();
  }

  void tellDropped(std::string& text) CORBEL_REQUIRES(mutex_) {
    const Field count("dropped", dropped_ - std::exchange(droppedTold_, dropped_));
    format(text, {clock_.now(),
                  Level::warn,
                  "log",
                  "lines were dropped: the log is read too slowly",
                  {&count, 1}});
  }

  const SinkOptions options_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::condition_variable changed_;  // for the writer
  std::condition_variable emptied_;  // for those who wait for it
  std::string waiting_ CORBEL_GUARDED_BY(mutex_);
  bool urgent_ CORBEL_GUARDED_BY(mutex_) = false;
  bool stopping_ CORBEL_GUARDED_BY(mutex_) = false;
  std::uint64_t accepted_ CORBEL_GUARDED_BY(mutex_) = 0;
  std::uint64_t written_ CORBEL_GUARDED_BY(mutex_) = 0;
  std::uint64_t dropped_ CORBEL_GUARDED_BY(mutex_) = 0;
  std::uint64_t droppedTold_ CORBEL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;  // last: it uses all of the above
};

namespace {

std::atomic<LineWriter*> installed = nullptr;

void writeAtOnce(const Event& event) {
  std::string line;
  appendTextLine(line, event, isatty(STDERR_FILENO) == 1);
  writeAll(STDERR_FILENO, line);
}

}  // namespace

std::optional<Level> parseLevel(std::string_view word) {
  if (equalsIgnoringCase(word, "debug")) return Level::debug;
  if (equalsIgnoringCase(word, "info")) return Level::info;
  if (equalsIgnoringCase(word, "warn") || equalsIgnoringCase(word, "warning")) return Level::warn;
  if (equalsIgnoringCase(word, "error")) return Level::error;
  return std::nullopt;
}

Format chooseFormat(std::string_view word, int descriptor) {
  if (word == "text") return Format::text;
  return word == "auto" && isatty(descriptor) == 1 ? Format::text : Format::json;
}

bool enabled(std::string_view module, Level level) {
  const auto* writer = installed.load(std::memory_order_acquire);
  return writer == nullptr ? level >= Level::warn : writer->enabled(module, level);
}

void write(Level level, std::string_view module, std::string_view message,
           std::span<const Field> fields) {
  auto* writer = installed.load(std::memory_order_acquire);
  if (writer != nullptr) return writer->write(level, module, message, fields);
  writeAtOnce({SystemClock().now(), level, module, message, fields});
}

void flush() {
  if (auto* writer = installed.load(std::memory_order_acquire)) writer->flush();
}

SinkStats stats() {
  const auto* writer = installed.load(std::memory_order_acquire);
  return writer == nullptr ? SinkStats() : writer->stats();
}

Sink::Sink(SinkOptions options, const Clock& clock)
    : writer_(std::make_unique<LineWriter>(std::move(options), clock)) {
  installed.store(writer_.get(), std::memory_order_release);
}

Sink::~Sink() { installed.store(nullptr, std::memory_order_release); }

SinkStats Sink::stats() const { return writer_->stats(); }

}  // namespace corbel::log
