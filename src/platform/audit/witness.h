// Puts the line of one call into the unit of work of its change.
#pragma once
#include <functional>
#include <utility>

#include "audit/audit.h"
#include "store/companion.h"

namespace corbel::audit {

// Writes one line with the first unit of the call that commits. Must outlive the call's writes.
class Witness final : public store::Companion {
 public:
  // `onCommitted` is called once, before the write that it joined returns. `log` must outlive it.
  // Where a unit says what it is about, that is the line's object.
  Witness(const AuditLog& log, Act act, std::function<void()> onCommitted)
      : log_(log), act_(std::move(act)), onCommitted_(std::move(onCommitted)) {}

  Result<void> join(store::Transaction& tx) override;

 private:
  const AuditLog& log_;
  const Act act_;
  const std::function<void()> onCommitted_;
  bool committed_ = false;  // by the writer, before it wakes the thread of the call
};

}  // namespace corbel::audit
