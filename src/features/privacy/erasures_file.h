// The list of erasures outside the database: what makes them hold when an older backup is restored.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "json/describe.h"

namespace corbel::privacy {

// That somebody was erased, without saying who.
struct Tombstone {
  std::string id;  // of the request
  std::string tenant;
  std::string person;  // keyed hash of tenant and principal
  std::string key;     // tells which key that was
  Timestamp until;     // what came later is not meant
};
BOOST_DESCRIBE_STRUCT(Tombstone, (), (id, tenant, person, key, until))

// A JSON object a line, mode 600; only ever grows. For one thread at a time.
class ErasuresFile {
 public:
  explicit ErasuresFile(std::filesystem::path path) : path_(std::move(path)) {}

  // All lines; none where there is no file. Lines that were cut off are left out.
  // failed_precondition: another line is none of ours; the message says which. permission_denied.
  Result<std::vector<Tombstone>> read() const;
  // On the disk when it answers. insufficient_storage, permission_denied.
  Result<void> add(const Tombstone& tombstone) const;

 private:
  const std::filesystem::path path_;
};

}  // namespace corbel::privacy
