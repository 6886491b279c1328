// Sends HTTP/1.1 POST requests over keep-alive connections and measures how long answers take.
//
//   load --port 3004 --path /predict --bodies rows.txt --connections 32 --seconds 10 [--warmup 2]
//   [--rate 10000]
//        [--header "Authorization: Bearer x"]...
//
// Bodies are the lines of the file, in turn. Without --rate a connection sends again as soon as it
// has its answer (closed loop). With --rate requests are due at fixed times, whatever the server
// does (open loop), and latency counts from when a request was due: a stall of the server is
// charged to everybody it held up. One thread, which polls without sleeping. Prints one line of
// JSON.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using std::chrono::nanoseconds;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "load: %s\n", why.c_str());
  std::exit(1);
}

struct Options {
  std::uint16_t port = 0;
  std::string path = "/";
  std::string headers;
  std::string bodies;
  std::size_t connections = 1;
  double seconds = 10;
  double warmup = 1;
  double rate = 0;  // 0: closed loop
};

Options parse(int count, char** arguments) {
  Options options;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view name = arguments[i];
    const std::string value = arguments[i + 1];
    if (name == "--port")
      options.port = static_cast<std::uint16_t>(std::stoul(value));
    else if (name == "--path")
      options.path = value;
    else if (name == "--header")
      options.headers += value + "\r\n";
    else if (name == "--bodies")
      options.bodies = value;
    else if (name == "--connections")
      options.connections = std::stoul(value);
    else if (name == "--seconds")
      options.seconds = std::stod(value);
    else if (name == "--warmup")
      options.warmup = std::stod(value);
    else if (name == "--rate")
      options.rate = std::stod(value);
    else
      die("unknown option " + std::string(name));
  }
  if (count % 2 == 0 || options.port == 0 || options.bodies.empty())
    die("needs --port and --bodies; every option a value");
  return options;
}

// Whole requests, ready to be written.
std::vector<std::string> requestsOf(const Options& options) {
  std::ifstream file(options.bodies);
  std::vector<std::string> requests;
  for (std::string body; std::getline(file, body);) {
    requests.push_back("POST " + options.path +
                       " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" +
                       options.headers + "Content-Length: " + std::to_string(body.size()) +
                       "\r\n\r\n" + body);
  }
  if (requests.empty()) die("no bodies in " + options.bodies);
  return requests;
}

// One answer at a time.
class Connection {
 public:
  explicit Connection(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      die("cannot connect: " + std::string(std::strerror(errno)));
    }
    ::fcntl(socket_, F_SETFL, ::fcntl(socket_, F_GETFL) | O_NONBLOCK);
  }

  int socket() const { return socket_; }
  Time due() const { return due_; }
  bool isGood() const { return status_ / 100 == 2; }

  // Requests are far smaller than a socket's buffer, so that one send takes all of it.
  void send(const std::string& request, Time due) {
    due_ = due;
    received_.clear();
    bodyEnd_ = 0;
    if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      die("the server does not take requests: " + std::string(std::strerror(errno)));
    }
  }

  // True when the answer is complete.
  bool receive() {
    std::array<char, 16 * 1024> chunk;
    const ssize_t length = ::recv(socket_, chunk.data(), chunk.size(), 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (length <= 0) die("the server closed a connection");
    received_.append(chunk.data(), static_cast<std::size_t>(length));
    if (bodyEnd_ == 0 && !readHead()) return false;
    return received_.size() >= bodyEnd_;
  }

 private:
  bool readHead() {
    const auto end = received_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    std::from_chars(received_.data() + 9, received_.data() + 12, status_);
    bodyEnd_ = end + 4 + contentLength(std::string_view(received_).substr(0, end));
    return true;
  }

  static std::size_t contentLength(std::string_view head) {
    for (const std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "}) {
      if (const auto at = head.find(name); at != std::string_view::npos) {
        std::size_t length = 0;
        std::from_chars(head.data() + at + name.size(), head.data() + head.size(), length);
        return length;
      }
    }
    die("the server answers without Content-Length");
  }

  int socket_;
  Time due_;
  int status_ = 0;
  std::string received_;
  std::size_t bodyEnd_ = 0;  // 0: the head is not complete
};

// What was measured after the warm-up.
class Record {
 public:
  void add(Time due, Time now, bool good) {
    failed_ += good ? 0 : 1;
    latencies_.push_back(static_cast<std::uint32_t>(
        std::min<std::int64_t>(nanoseconds(now - due).count(), UINT32_MAX)));
  }

  void print(double seconds, std::size_t unanswered) {
    std::ranges::sort(latencies_);
    std::printf(
        "{\"requests\": %zu, \"failed\": %zu, \"unanswered\": %zu, \"requests_per_s\": %.1f, "
        "\"p50_ms\": %.4f, "
        "\"p90_ms\": %.4f, \"p99_ms\": %.4f, \"p999_ms\": %.4f, \"max_ms\": %.4f}\n",
        latencies_.size(), failed_, unanswered, static_cast<double>(latencies_.size()) / seconds,
        quantile(0.5), quantile(0.9), quantile(0.99), quantile(0.999), quantile(1));
  }

 private:
  double quantile(double share) const {
    if (latencies_.empty()) return 0;
    const auto index = static_cast<std::size_t>(share * static_cast<double>(latencies_.size()));
    return latencies_[std::min(index, latencies_.size() - 1)] / 1e6;
  }

  std::vector<std::uint32_t> latencies_;  // nanoseconds
  std::size_t failed_ = 0;
};

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options), requests_(requestsOf(options)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (std::size_t i = 0; i < options.connections; ++i) connections_.emplace_back(options.port);
    for (Connection& connection : connections_) {
      epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.socket(), &event);
      idle_.push_back(&connection);
    }
  }

  void run() {
    begin_ = Clock::now();
    measureFrom_ = begin_ + seconds(options_.warmup);
    end_ = measureFrom_ + seconds(options_.seconds);
    const Time giveUp = end_ + std::chrono::seconds(1);
    while (Clock::now() < end_ || ((busy() || overdue() > 0) && Clock::now() < giveUp)) {
      sendWhatIsDue();
      receive();
    }
    record_.print(options_.seconds, connections_.size() - idle_.size() + overdue());
  }

 private:
  static nanoseconds seconds(double count) {
    return nanoseconds(static_cast<std::int64_t>(count * 1e9));
  }

  Time dueAt(std::uint64_t index) const {
    return begin_ + seconds(static_cast<double>(index) / options_.rate);
  }

  bool busy() const { return idle_.size() < connections_.size(); }

  // Requests that were due but found no free connection.
  std::size_t overdue() const {
    if (options_.rate == 0) return 0;
    const auto due =
        static_cast<std::uint64_t>((options_.warmup + options_.seconds) * options_.rate);
    return due > sent_ ? due - sent_ : 0;
  }

  void sendWhatIsDue() {
    while (!idle_.empty()) {
      const Time now = Clock::now();
      const Time due = options_.rate == 0 ? now : dueAt(sent_);
      if (due > now || due >= end_) return;
      idle_.front()->send(requests_[sent_++ % requests_.size()], due);
      idle_.pop_front();
    }
  }

  void receive() {
    std::array<epoll_event, 64> events;
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
      Connection& connection =
          *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (!connection.receive()) continue;
      if (const Time now = Clock::now(); connection.due() >= measureFrom_)
        record_.add(connection.due(), now, connection.isGood());
      idle_.push_back(&connection);
    }
  }

  const Options& options_;
  const std::vector<std::string> requests_;
  int epoll_;
  std::deque<Connection> connections_;
  std::deque<Connection*> idle_;
  std::uint64_t sent_ = 0;
  Time begin_, measureFrom_, end_;
  Record record_;
};

}  // namespace

int main(int count, char** arguments) {
  const Options options = parse(count, arguments);
  Load(options).run();
  return 0;
}
