#include "native/audit_export.h"

#include <algorithm>
#include <utility>

#include "json/encode.h"
#include "native/audit_api.h"

namespace corbel::native {
namespace {

constexpr int kLinesOfAPage = 500;
constexpr std::chrono::seconds kReadDeadline{10};

}  // namespace

http::BodySource::Pull AuditExport::pull(std::string& out, std::size_t atMost) {
  {
    const MutexLock lock(mutex_);
    switch (state_) {
      case State::ended:
        return Pull::end;
      case State::failed:
        return Pull::failed;
      case State::reading:
        return Pull::later;
      case State::full: {
        const std::size_t length = std::min(atMost, page_.size() - taken_);
        out.append(page_, taken_, length);
        taken_ += length;
        if (taken_ == page_.size()) state_ = State::waiting;
        return Pull::more;
      }
      case State::waiting:
        state_ = State::reading;
    }
  }
  if (pool_.tryRun([self = shared_from_this()] { self->readPage(); })) return Pull::later;
  return Pull::failed;
}

void AuditExport::readPage() {
  std::int64_t after = 0;
  {
    const MutexLock lock(mutex_);
    after = after_;
  }
  const auto lines =
      log_.oldest(query_, after, kLinesOfAPage, Deadline::after(clock_, kReadDeadline));
  std::string page;
  if (lines) {
    for (const audit::Line& line : *lines) {
      json::encode(view(line), page);
      page += '\n';
    }
  }
  std::function<void()> ready;
  {
    const MutexLock lock(mutex_);
    state_ = !lines ? State::failed : page.empty() ? State::ended : State::full;
    if (!page.empty()) after_ = lines->back().number;
    page_ = std::move(page);
    taken_ = 0;
    ready = ready_;
  }
  if (ready) ready();
}

void AuditExport::onReady(std::function<void()> ready) {
  const MutexLock lock(mutex_);
  ready_ = std::move(ready);
}

void AuditExport::gone() {
  const MutexLock lock(mutex_);
  state_ = State::failed;
  ready_ = nullptr;
}

}  // namespace corbel::native
