// What the native API shows and takes of requests for personal data.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "json/describe.h"

namespace corbel::native {

struct PersonRequest {
  std::string principal;
  static constexpr auto rules() {
    return std::array{
        json::rule<&PersonRequest::principal>({.doc = "Id of a user, as the audit log names them.",
                                               .example = R"("user:ann@https://login.example.com")",
                                               .minLength = 1,
                                               .maxLength = 1024})};
  }
};
BOOST_DESCRIBE_STRUCT(PersonRequest, (), (principal))

struct PersonalPlaceCount {
  std::string place;
  std::int64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(PersonalPlaceCount, (), (place, count))

struct PersonalDataRequestView {
  std::string id;
  std::string kind;
  std::string status;
  std::string requestedBy;
  Timestamp requestedAt;
  std::optional<Timestamp> finishedAt;
  std::vector<PersonalPlaceCount> places;
  std::optional<std::int64_t> sizeBytes;
  std::optional<Timestamp> expiresAt;
  static constexpr auto rules() {
    using Self = PersonalDataRequestView;
    return std::array{
        json::rule<&Self::id>({.doc = "Of its job, too."}),
        json::rule<&Self::kind>({.doc = "export or erasure."}),
        json::rule<&Self::status>({.doc = "open, or finished; why it is open, its job says."}),
        json::rule<&Self::places>({.doc = "How many things were shown or erased, by place."}),
        json::rule<&Self::sizeBytes>({.doc = "Of an export that can be downloaded."}),
        json::rule<&Self::expiresAt>({.doc = "The file of an export is removed then."})};
  }
};
BOOST_DESCRIBE_STRUCT(PersonalDataRequestView, (),
                      (id, kind, status, requestedBy, requestedAt, finishedAt, places, sizeBytes,
                       expiresAt))

struct ListPersonalDataRequests {
  int limit = 50;
  std::optional<std::string> cursor;
  static constexpr auto rules() {
    using Self = ListPersonalDataRequests;
    return std::array{json::rule<&Self::limit>(
                          {.doc = "Requests on a page.", .min = 1, .max = 200, .optional = true}),
                      json::rule<&Self::cursor>({.doc = "`nextCursor` of the page before.",
                                                 .format = json::Format::uuid})};
  }
};
BOOST_DESCRIBE_STRUCT(ListPersonalDataRequests, (), (limit, cursor))

struct PersonalPlaceView {
  std::string place;
  std::string description;
  std::vector<std::string> tables;
};
BOOST_DESCRIBE_STRUCT(PersonalPlaceView, (), (place, description, tables))

struct TableWithoutPeopleView {
  std::string table;
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(TableWithoutPeopleView, (), (table, reason))

struct PersonalPlaceList {
  std::vector<PersonalPlaceView> items;
  std::vector<TableWithoutPeopleView> tablesWithoutPeople;
};
BOOST_DESCRIBE_STRUCT(PersonalPlaceList, (), (items, tablesWithoutPeople))

}  // namespace corbel::native
