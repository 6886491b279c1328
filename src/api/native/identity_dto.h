// What the native API shows and takes of keys, roles, tenants and the caller.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "json/describe.h"

namespace corbel::native {

struct KeyLimitsView {
  std::optional<std::uint32_t> requestsPerMinute;
  static constexpr auto rules() {
    return std::array{json::rule<&KeyLimitsView::requestsPerMinute>(
        {.doc = "Absent: as the settings say for keys.", .example = "600", .min = 1})};
  }
};
BOOST_DESCRIBE_STRUCT(KeyLimitsView, (), (requestsPerMinute))

struct KeyView {
  std::string id;
  std::string name;
  std::string prefix;
  std::optional<std::string> role;
  std::vector<std::string> permissions;
  KeyLimitsView limits;
  std::string createdBy;
  Timestamp createdAt;
  std::optional<Timestamp> expiresAt;
  std::optional<Timestamp> lastUsedAt;
  std::optional<Timestamp> revokedAt;
};
BOOST_DESCRIBE_STRUCT(KeyView, (),
                      (id, name, prefix, role, permissions, limits, createdBy, createdAt, expiresAt,
                       lastUsedAt, revokedAt))

struct MintedKeyView : KeyView {
  std::string key;
  static constexpr auto rules() {
    return std::array{json::rule<&MintedKeyView::key>(
        {.doc = "The credential. It is shown this once and stored as a hash."})};
  }
};
BOOST_DESCRIBE_STRUCT(MintedKeyView, (KeyView), (key))

struct NewKeyRequest {
  std::string name;
  std::optional<std::string> role;
  std::vector<std::string> permissions;
  KeyLimitsView limits;
  std::optional<Timestamp> expiresAt;
  static constexpr auto rules() {
    using Self = NewKeyRequest;
    return std::array{
        json::rule<&Self::name>({.doc = "For people.",
                                 .example = R"("checkout service")",
                                 .minLength = 1,
                                 .maxLength = 128}),
        json::rule<&Self::role>(
            {.doc = "owner, admin, developer, viewer, service, or a role of the tenant.",
             .example = R"("service")"}),
        json::rule<&Self::permissions>(
            {.doc = "Instead of a role.", .maxItems = 64, .optional = true}),
        json::rule<&Self::limits>({.optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(NewKeyRequest, (), (name, role, permissions, limits, expiresAt))

struct ListKeys {
  int limit = 50;
  std::optional<std::string> cursor;
  static constexpr auto rules() {
    using Self = ListKeys;
    return std::array{json::rule<&Self::limit>(
                          {.doc = "Keys on a page.", .min = 1, .max = 200, .optional = true}),
                      json::rule<&Self::cursor>({.doc = "`nextCursor` of the page before.",
                                                 .format = json::Format::uuid})};
  }
};
BOOST_DESCRIBE_STRUCT(ListKeys, (), (limit, cursor))

struct RotateKey {
  int graceSeconds = 0;
  static constexpr auto rules() {
    return std::array{json::rule<&RotateKey::graceSeconds>(
        {.doc = "How long the old secret stays valid, up to a week.",
         .example = "3600",
         .min = 0,
         .max = 604'800,
         .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(RotateKey, (), (graceSeconds))

struct RoleView {
  std::string name;
  std::vector<std::string> permissions;
  bool builtIn = false;
};
BOOST_DESCRIBE_STRUCT(RoleView, (), (name, permissions, builtIn))

struct RoleList {
  std::vector<RoleView> items;
};
BOOST_DESCRIBE_STRUCT(RoleList, (), (items))

struct RolePermissions {
  std::vector<std::string> permissions;
  static constexpr auto rules() {
    return std::array{
        json::rule<&RolePermissions::permissions>({.doc = "All that it may do.",
                                                   .example = R"(["models:read","models:predict"])",
                                                   .maxItems = 64})};
  }
};
BOOST_DESCRIBE_STRUCT(RolePermissions, (), (permissions))

struct QuotasView {
  std::optional<std::int64_t> models;
  std::optional<std::int64_t> storageBytes;
  std::optional<std::int64_t> requestsPerMinute;
  static constexpr auto rules() {
    using Self = QuotasView;
    return std::array{
        json::rule<&Self::models>({.doc = "Absent: unlimited.", .example = "100", .min = 0}),
        json::rule<&Self::storageBytes>({.min = 0}),
        json::rule<&Self::requestsPerMinute>({.min = 1, .max = 1e9})};
  }
};
BOOST_DESCRIBE_STRUCT(QuotasView, (), (models, storageBytes, requestsPerMinute))

struct TenantView {
  std::string id;
  std::string name;
  QuotasView quotas;
  Timestamp createdAt;
};
BOOST_DESCRIBE_STRUCT(TenantView, (), (id, name, quotas, createdAt))

struct TenantList {
  std::vector<TenantView> items;
};
BOOST_DESCRIBE_STRUCT(TenantList, (), (items))

struct NewTenantRequest {
  std::string id;
  std::string name;
  QuotasView quotas;
  static constexpr auto rules() {
    using Self = NewTenantRequest;
    return std::array{
        json::rule<&Self::id>({.doc = "What X-Tenant-ID names: lower-case letters, digits and '-'.",
                               .example = R"("acme")"}),
        json::rule<&Self::name>(
            {.doc = "For people.", .example = R"("Acme Inc.")", .minLength = 1, .maxLength = 128}),
        json::rule<&Self::quotas>({.optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(NewTenantRequest, (), (id, name, quotas))

struct TenantPatch {
  std::optional<std::string> name;
  std::optional<QuotasView> quotas;
  static constexpr auto rules() {
    return std::array{
        json::rule<&TenantPatch::name>({.example = R"("Acme")", .minLength = 1, .maxLength = 128}),
        json::rule<&TenantPatch::quotas>({.doc = "Replaces all quotas."})};
  }
};
BOOST_DESCRIBE_STRUCT(TenantPatch, (), (name, quotas))

struct MembershipView {
  std::string tenant;
  std::vector<std::string> roles;
  std::vector<std::string> permissions;
};
BOOST_DESCRIBE_STRUCT(MembershipView, (), (tenant, roles, permissions))

struct MeView {
  std::string kind;
  std::string id;
  std::string name;
  std::string tenant;
  std::vector<MembershipView> memberships;
  std::optional<Timestamp> expiresAt;
  static constexpr auto rules() {
    return std::array{json::rule<&MeView::tenant>({.doc = "Of this call."})};
  }
};
BOOST_DESCRIBE_STRUCT(MeView, (), (kind, id, name, tenant, memberships, expiresAt))

}  // namespace corbel::native
