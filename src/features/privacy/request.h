// What was asked about somebody, and what came of it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "json/describe.h"

namespace corbel::privacy {

enum class RequestKind : std::uint8_t { exporting, erasure };
std::string_view name(RequestKind kind);  // "export", "erasure"

// How many things of a place were shown or erased.
struct PlaceCount {
  std::string place;
  std::int64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(PlaceCount, (), (place, count))

struct Report {
  std::vector<PlaceCount> places;
  void add(std::string_view place, std::int64_t count);
};
BOOST_DESCRIBE_STRUCT(Report, (), (places))

struct Request {
  std::string id;  // of its job, too
  std::string tenant;
  RequestKind kind = RequestKind::exporting;
  std::string person;   // keyed hash of whom it is about
  std::string subject;  // the person, sealed; empty once it was erased or the export is over
  std::string requestedBy;
  Timestamp requestedAt;
  std::optional<Timestamp> finishedAt = {};
  Report report = {};
  // Of an export: the file, until it expires. Empty: there is none any more, or not yet.
  std::string sha256 = {};
  std::int64_t sizeBytes = 0;
  std::optional<Timestamp> expiresAt = {};
};

}  // namespace corbel::privacy
