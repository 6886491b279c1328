// The audit log as an answer without an end of its own: a page is read when the one before was
// taken.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "audit/audit.h"
#include "base/mutex.h"
#include "exec/pool.h"
#include "http/message.h"

namespace corbel::native {

class AuditExport final : public http::BodySource,
                          public std::enable_shared_from_this<AuditExport> {
 public:
  // `log`, `pool` and `clock` must outlive it.
  AuditExport(const audit::AuditLog& log, exec::Pool& pool, const Clock& clock, audit::Query query)
      : log_(log), pool_(pool), clock_(clock), query_(std::move(query)) {}

  Pull pull(std::string& out, std::size_t atMost) override CORBEL_EXCLUDES(mutex_);
  void onReady(std::function<void()> ready) override CORBEL_EXCLUDES(mutex_);
  void gone() override CORBEL_EXCLUDES(mutex_);

 private:
  enum class State : std::uint8_t { waiting, reading, full, ended, failed };

  void readPage() CORBEL_EXCLUDES(mutex_);

  const audit::AuditLog& log_;
  exec::Pool& pool_;
  const Clock& clock_;
  const audit::Query query_;
  Mutex mutex_;
  State state_ CORBEL_GUARDED_BY(mutex_) = State::waiting;
  std::int64_t after_ CORBEL_GUARDED_BY(mutex_) = 0;
  std::string page_ CORBEL_GUARDED_BY(mutex_);
  std::size_t taken_ CORBEL_GUARDED_BY(mutex_) = 0;
  std::function<void()> ready_ CORBEL_GUARDED_BY(mutex_);
};

}  // namespace corbel::native
