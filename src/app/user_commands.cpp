#include "app/user_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <utility>

#include "app/database.h"
#include "app/operator_act.h"
#include "base/limits.h"
#include "identity/passwords.h"
#include "identity/users.h"
#include "json/encode.h"

namespace corbel::app {
namespace {

int failed(const Error& error) {
  std::fprintf(stderr, "corbel: %s\n", error.message.c_str());
  return error.code == ErrorCode::internal ? kInternal : kConfiguration;
}

// While it lives, what is typed is not shown.
class SilentTerminal {
 public:
  SilentTerminal() {
    isTerminal_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    if (!isTerminal_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  ~SilentTerminal() {
    if (!isTerminal_) return;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    std::fputc('\n', stderr);
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;

 private:
  termios before_{};
  bool isTerminal_ = false;
};

Secret readLine() {
  std::string line;
  std::getline(std::cin, line);
  if (line.ends_with('\r')) line.pop_back();
  return Secret(std::move(line));
}

Secret ask(const char* prompt) {
  std::fprintf(stderr, "%s: ", prompt);
  const SilentTerminal silent;
  return readLine();
}

Result<Secret> readPassword() {
  if (::isatty(STDIN_FILENO) == 0) return readLine();
  Secret password = ask("Password");
  if (ask("Once more").reveal() == password.reveal()) return password;
  return fail(ErrorCode::invalidArgument, "The two passwords differ.");
}

void writeUser(json::Writer& writer, const identity::User& user) {
  writer.beginObject();
  writer.field("id", user.id);
  writer.field("email", user.email);
  writer.field("name", user.name);
  writer.key("roles");
  writer.beginArray();
  for (const std::string& role : user.roles) writer.value(role);
  writer.endArray();
  writer.field("disabled", user.disabledAt.has_value());
  writer.field("createdAt", user.createdAt);
  if (user.lastSignInAt) writer.field("lastSignInAt", *user.lastSignInAt);
  writer.endObject();
}

void print(const identity::User& user) {
  fmt::print("{}  {}  {}{}\n", user.id, user.email, fmt::join(user.roles, ","),
             user.disabledAt ? "  disabled" : "");
}

void show(const identity::User& user, Output output) {
  if (output != Output::json) return print(user);
  std::string json;
  json::Writer writer(json);
  writeUser(writer, user);
  fmt::print("{}\n", json);
}

class Commands {
 public:
  Commands(Installation& installation, const UserCommand& command, Output output)
      : installation_(installation),
        command_(command),
        output_(output),
        passwords_(installation.clock, installation.random),
        users_({*installation.database, *installation.directory, passwords_, installation.clock,
                installation.ids}) {}

  Result<void> run() {
    switch (command_.verb) {
      case UserCommand::Verb::add:
        return add();
      case UserCommand::Verb::list:
        return list();
      case UserCommand::Verb::disable:
        return change("corbel user disable", {.disabled = true});
      case UserCommand::Verb::enable:
        return change("corbel user enable", {.disabled = false});
      case UserCommand::Verb::password:
        return setPassword();
      case UserCommand::Verb::remove:
        return remove();
    }
    std::unreachable();
  }

 private:
  Deadline deadline() const { return startDeadline(installation_.clock); }
  template <class Change>
  auto as(const std::string& action, Change&& change) {
    return asOperator(installation_, {command_.tenant, action, "command line"}, change);
  }

  Result<void> add() {
    CORBEL_TRY(Secret password, readPassword());
    const identity::NewUser fresh{.email = command_.email,
                                  .name = command_.name,
                                  .password = std::move(password),
                                  .roles = command_.roles};
    CORBEL_TRY(const auto user, as("corbel user add", [&](const identity::Actor& by) {
                 return users_.add(fresh, by, deadline());
               }));
    show(user, output_);
    return {};
  }

  Result<void> change(const std::string& action, const identity::UserChange& change) {
    CORBEL_TRY(const auto user,
               as(action, [&](const identity::Actor& by) -> Result<identity::User> {
                 CORBEL_TRY(const auto found, users_.find(command_.email, by, deadline()));
                 return users_.change(found.id, change, by, deadline());
               }));
    show(user, output_);
    return {};
  }

  Result<void> setPassword() {
    CORBEL_TRY(Secret password, readPassword());
    return change("corbel user password", {.password = std::move(password)});
  }

  Result<void> remove() {
    return as("corbel user remove", [&](const identity::Actor& by) -> Result<void> {
      CORBEL_TRY(const auto found, users_.find(command_.email, by, deadline()));
      return users_.remove(found.id, by, deadline());
    });
  }

  Result<void> list() const {
    const auto by = identity::operatorOf(command_.tenant);
    std::string json;
    json::Writer writer(json);
    writer.beginArray();
    for (std::string after;;) {
      CORBEL_TRY(const auto users,
                 users_.list({by, by.memberships.front()}, after, limits::kPageMax, deadline()));
      if (users.empty()) break;
      for (const identity::User& user : users) {
        writeUser(writer, user);
        if (output_ != Output::json) print(user);
      }
      after = users.back().id;
    }
    writer.endArray();
    if (output_ == Output::json) fmt::print("{}\n", json);
    return {};
  }

  Installation& installation_;
  const UserCommand& command_;
  const Output output_;
  identity::Passwords passwords_;
  identity::Users users_;
};

}  // namespace

int manageUsers(const UserCommand& command, const config::Settings& settings, Output output) {
  const auto installation = openInstallation(settings);
  if (!installation) return failed(installation.error());
  const auto done = Commands(**installation, command, output).run();
  return done ? kOk : failed(done.error());
}

}  // namespace corbel::app
