// What the native API shows and takes of users and their sessions.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "json/describe.h"

namespace corbel::native {

inline constexpr json::Rule kEmailRule{.doc = "What the user signs in with.",
                                       .example = R"("ada@example.com")",
                                       .minLength = 3,
                                       .maxLength = 254};
inline constexpr json::Rule kPasswordRule{
    .doc = "12 to 256 bytes; stored as an Argon2id hash and never shown.",
    .example = R"("correct horse battery")",
    .minLength = 1,
    .maxLength = 256};

struct UserView {
  std::string id;
  std::string email;
  std::string name;
  std::vector<std::string> roles;
  bool hasPassword = false;
  bool disabled = false;
  std::string createdBy;
  Timestamp createdAt;
  std::optional<Timestamp> disabledAt;
  std::optional<Timestamp> lastSignInAt;
  static constexpr auto rules() {
    return std::array{json::rule<&UserView::roles>({.doc = "In the tenant of this call."})};
  }
};
BOOST_DESCRIBE_STRUCT(UserView, (),
                      (id, email, name, roles, hasPassword, disabled, createdBy, createdAt,
                       disabledAt, lastSignInAt))

struct NewUserRequest {
  std::string email;
  std::optional<std::string> name;
  std::optional<std::string> password;
  std::vector<std::string> roles;
  static constexpr auto rules() {
    using Self = NewUserRequest;
    constexpr json::Rule kOptionalPassword{
        .doc =
            "12 to 256 bytes; stored as an Argon2id hash and never shown. Absent: the user has "
            "none yet.",
        .example = R"("correct horse battery")",
        .minLength = 1,
        .maxLength = 256};
    return std::array{json::rule<&Self::email>(kEmailRule),
                      json::rule<&Self::name>({.doc = "For people; absent: the address.",
                                               .example = R"("Ada Lovelace")",
                                               .minLength = 1,
                                               .maxLength = 100}),
                      json::rule<&Self::password>(kOptionalPassword),
                      json::rule<&Self::roles>({.doc = "Roles of the tenant.",
                                                .example = R"(["viewer"])",
                                                .minItems = 1,
                                                .maxItems = 20})};
  }
};
BOOST_DESCRIBE_STRUCT(NewUserRequest, (), (email, name, password, roles))

struct UserPatch {
  std::optional<std::string> name;
  std::optional<std::vector<std::string>> roles;
  std::optional<bool> disabled;
  std::optional<std::string> password;
  static constexpr auto rules() {
    using Self = UserPatch;
    return std::array{
        json::rule<&Self::name>({.example = R"("Ada")", .minLength = 1, .maxLength = 100}),
        json::rule<&Self::roles>(
            {.doc = "Replaces all roles in this tenant.", .minItems = 1, .maxItems = 20}),
        json::rule<&Self::disabled>({.doc = "A disabled user cannot sign in, and is signed out."}),
        json::rule<&Self::password>(
            {.doc = "A new one; it ends all sessions.", .minLength = 1, .maxLength = 256})};
  }
};
BOOST_DESCRIBE_STRUCT(UserPatch, (), (name, roles, disabled, password))

struct ListUsers {
  int limit = 50;
  std::optional<std::string> cursor;
  static constexpr auto rules() {
    using Self = ListUsers;
    return std::array{json::rule<&Self::limit>(
                          {.doc = "Users on a page.", .min = 1, .max = 200, .optional = true}),
                      json::rule<&Self::cursor>({.doc = "`nextCursor` of the page before.",
                                                 .format = json::Format::uuid})};
  }
};
BOOST_DESCRIBE_STRUCT(ListUsers, (), (limit, cursor))

enum class SessionAs { token, cookie };
BOOST_DESCRIBE_ENUM(SessionAs, token, cookie)

struct SignInRequest {
  std::string email;
  std::string password;
  SessionAs as = SessionAs::token;
  static constexpr auto rules() {
    using Self = SignInRequest;
    return std::array{
        json::rule<&Self::email>(kEmailRule), json::rule<&Self::password>(kPasswordRule),
        json::rule<&Self::as>({.doc = "How the session is given: its token in the answer, or as a "
                                      "cookie that scripts cannot read.",
                               .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(SignInRequest, (), (email, password, as))

struct SignedInView {
  std::string id;
  std::string userId;
  std::string email;
  std::string name;
  std::optional<std::string> token;
  Timestamp createdAt;
  Timestamp expiresAt;
  static constexpr auto rules() {
    return std::array{json::rule<&SignedInView::token>(
        {.doc = "The credential, unless it is in the cookie. It is shown this once."})};
  }
};
BOOST_DESCRIBE_STRUCT(SignedInView, (), (id, userId, email, name, token, createdAt, expiresAt))

struct SessionView {
  std::string id;
  std::string address;
  std::string device;
  bool current = false;
  Timestamp createdAt;
  Timestamp lastUsedAt;
  Timestamp expiresAt;
  static constexpr auto rules() {
    return std::array{json::rule<&SessionView::current>({.doc = "Whether it makes this call."}),
                      json::rule<&SessionView::lastUsedAt>({.doc = "To the minute."})};
  }
};
BOOST_DESCRIBE_STRUCT(SessionView, (),
                      (id, address, device, current, createdAt, lastUsedAt, expiresAt))

struct SessionList {
  std::vector<SessionView> items;
};
BOOST_DESCRIBE_STRUCT(SessionList, (), (items))

struct NewPasswordRequest {
  std::string currentPassword;
  std::string newPassword;
  static constexpr auto rules() {
    using Self = NewPasswordRequest;
    return std::array{
        json::rule<&Self::currentPassword>(kPasswordRule),
        json::rule<&Self::newPassword>({.doc = "12 to 256 bytes. All other sessions end.",
                                        .example = R"("another horse battery")",
                                        .minLength = 1,
                                        .maxLength = 256})};
  }
};
BOOST_DESCRIBE_STRUCT(NewPasswordRequest, (), (currentPassword, newPassword))

struct SetupLinkRequest {
  std::string token;
  static constexpr auto rules() {
    return std::array{json::rule<&SetupLinkRequest::token>(
        {.doc = "What stands behind # in the link.", .minLength = 1, .maxLength = 100})};
  }
};
BOOST_DESCRIBE_STRUCT(SetupLinkRequest, (), (token))

struct FirstUserRequest {
  std::string token;
  std::string email;
  std::optional<std::string> name;
  std::string password;
  static constexpr auto rules() {
    using Self = FirstUserRequest;
    return std::array{
        json::rule<&Self::token>(
            {.doc = "What stands behind # in the link.", .minLength = 1, .maxLength = 100}),
        json::rule<&Self::email>(kEmailRule),
        json::rule<&Self::name>({.doc = "For people; absent: the address.",
                                 .example = R"("Ada Lovelace")",
                                 .minLength = 1,
                                 .maxLength = 100}),
        json::rule<&Self::password>(kPasswordRule)};
  }
};
BOOST_DESCRIBE_STRUCT(FirstUserRequest, (), (token, email, name, password))

}  // namespace corbel::native
