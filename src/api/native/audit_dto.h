// What the native API shows of the audit log.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "audit/audit.h"
#include "base/clock.h"
#include "json/describe.h"
#include "json/values.h"

namespace corbel::audit {
BOOST_DESCRIBE_ENUM(Outcome, done, refused, failed)
}  // namespace corbel::audit

namespace corbel::native {

struct AuditLineView {
  std::int64_t number = 0;
  Timestamp at;
  std::string tenant;
  std::string principal;
  std::string kind;
  std::string action;
  std::string object;
  std::string remote;
  std::string requestId;
  audit::Outcome outcome = audit::Outcome::done;
  std::optional<std::string> code;
  std::int64_t omitted = 0;
  std::string hash;
  static constexpr auto rules() {
    using Self = AuditLineView;
    return std::array{
        json::rule<&Self::number>({.doc = "Place in the chain over the whole installation."}),
        json::rule<&Self::principal>({.doc = "Empty: the caller proved nobody."}),
        json::rule<&Self::outcome>(
            {.doc = "How it ended: failed is an error after a part of the change was made."}),
        json::rule<&Self::code>({.doc = "Of the error."}),
        json::rule<&Self::omitted>({.doc = "Refusals before this one that got no line."}),
        json::rule<&Self::hash>({.doc = "SHA-256 over this line and the hash of the one before."})};
  }
};
BOOST_DESCRIBE_STRUCT(AuditLineView, (),
                      (number, at, tenant, principal, kind, action, object, remote, requestId,
                       outcome, code, omitted, hash))

struct AuditFilter {
  std::optional<std::string> principal;
  std::optional<std::string> action;
  std::optional<std::string> object;
  std::optional<audit::Outcome> outcome;
  std::optional<Timestamp> from;
  std::optional<Timestamp> to;
  std::optional<std::string> tenant;
  static constexpr auto rules() {
    using Self = AuditFilter;
    return std::array{
        json::rule<&Self::principal>({.doc = "Its id, as in user:alice or key:019b…"}),
        json::rule<&Self::action>({.doc = "As in `DELETE /api/v1/ai/keys/{key}`."}),
        json::rule<&Self::object>({.doc = "As in keys/019b…"}),
        json::rule<&Self::from>({.doc = "Not before."}),
        json::rule<&Self::to>({.doc = "Before."}),
        json::rule<&Self::tenant>(
            {.doc = "Another tenant's lines, for those who run the installation."})};
  }
};
BOOST_DESCRIBE_STRUCT(AuditFilter, (), (principal, action, object, outcome, from, to, tenant))

struct ListAudit : AuditFilter {
  int limit = 50;
  std::optional<std::int64_t> cursor;
  static constexpr auto rules() {
    using Self = ListAudit;
    return std::array{
        json::rule<&Self::limit>(
            {.doc = "Lines on a page.", .min = 1, .max = 200, .optional = true}),
        json::rule<&Self::cursor>({.doc = "`nextCursor` of the page before.", .min = 1})};
  }
};
BOOST_DESCRIBE_STRUCT(ListAudit, (AuditFilter), (limit, cursor))

struct VerifyAudit {
  std::optional<std::int64_t> number;
  std::optional<std::string> hash;
  static constexpr auto rules() {
    using Self = VerifyAudit;
    return std::array{
        json::rule<&Self::number>(
            {.doc = "A line whose hash was written down elsewhere.", .min = 1}),
        json::rule<&Self::hash>({.doc = "That hash.", .minLength = 64, .maxLength = 64})};
  }
};
BOOST_DESCRIBE_STRUCT(VerifyAudit, (), (number, hash))

struct AuditBreakView {
  std::int64_t number = 0;
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(AuditBreakView, (), (number, reason))

struct AuditVerdictView {
  bool intact = true;
  std::int64_t lines = 0;
  std::int64_t headNumber = 0;
  std::string headHash;
  std::optional<AuditBreakView> broken;
  static constexpr auto rules() {
    using Self = AuditVerdictView;
    return std::array{
        json::rule<&Self::lines>({.doc = "Lines that are good."}),
        json::rule<&Self::headHash>(
            {.doc = "Of the last good line: write it down where nobody can change it."}),
        json::rule<&Self::broken>({.doc = "The first line that is not."})};
  }
};
BOOST_DESCRIBE_STRUCT(AuditVerdictView, (), (intact, lines, headNumber, headHash, broken))

}  // namespace corbel::native
