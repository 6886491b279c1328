#include "postgres_target.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "base/text.h"

namespace corbel::store {
namespace {

using Parameters = std::map<std::string, std::string, std::less<>>;

constexpr std::array<std::string_view, 11> kAllowed = {"host",
                                                       "hostaddr",
                                                       "port",
                                                       "dbname",
                                                       "user",
                                                       "password",
                                                       "sslmode",
                                                       "sslrootcert",
                                                       "sslcert",
                                                       "sslkey",
                                                       "target_session_attrs"};
// Debian's name of what the system trusts, which most others have, too.
constexpr const char* kSystemRoots = "/etc/ssl/certs/ca-certificates.crt";

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

bool isLocal(std::string_view host) {
  return host.empty() || host.starts_with('/') || host == "localhost" || host == "::1" ||
         host.starts_with("127.");
}

bool allLocal(std::string_view hosts) {
  if (hosts.empty()) return true;
  while (!hosts.empty()) {
    if (!isLocal(takeUntil(hosts, ','))) return false;
  }
  return true;
}

std::unexpected<Error> wrong(std::string message) {
  return fail(ErrorCode::invalidArgument, std::move(message));
}

Result<Parameters> parse(std::string_view url) {
  if (!url.starts_with("postgres://") && !url.starts_with("postgresql://"))
    return wrong("must begin with postgres:// or postgresql://");
  // libpq's own message would show the whole URL.
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(
      PQconninfoParse(std::string(url).c_str(), nullptr));
  if (options == nullptr) {
    return wrong(
        "must be postgres://user:password@host:port/database?sslmode=…, with special characters of "
        "the password percent-encoded");
  }
  Parameters found;
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    if (std::ranges::find(kAllowed, std::string_view(option->keyword)) == kAllowed.end()) {
      return wrong(fmt::format("has the parameter {}; allowed are {}", option->keyword,
                               fmt::join(kAllowed, ", ")));
    }
    found.emplace(option->keyword, option->val);
  }
  return found;
}

// A connection that is encrypted for whoever answers protects from nobody who is in the way.
Result<void> verifyServer(Parameters& parameters) {
  const bool local = allLocal(parameters["host"]) && allLocal(parameters["hostaddr"]);
  std::string& mode = parameters["sslmode"];
  if (mode.empty()) mode = local ? "prefer" : "verify-full";
  if (mode == "require") mode = "verify-full";
  if (mode == "disable" || (local && mode == "prefer")) return {};
  if (mode != "verify-full" && mode != "verify-ca")
    return wrong("sslmode must be verify-full, verify-ca, require (as verify-full) or disable");
  const char* const home = std::getenv("HOME");
  std::error_code error;
  const bool ownRoots =
      home != nullptr &&
      std::filesystem::exists(std::filesystem::path(home) / ".postgresql/root.crt", error);
  if (!ownRoots) parameters.try_emplace("sslrootcert", kSystemRoots);
  return {};
}

Result<Parameters> parametersOf(std::string_view url) {
  CORBEL_TRY(auto parameters, parse(url));
  CORBEL_CHECK(verifyServer(parameters));
  return parameters;
}

std::string_view orElse(const std::string& text, std::string_view otherwise) {
  return text.empty() ? otherwise : std::string_view(text);
}

}  // namespace

std::string checkPostgresUrl(std::string_view url) {
  const auto parameters = parametersOf(url);
  return parameters ? "" : parameters.error().message;
}

Result<PostgresTarget> targetOf(const PostgresOptions& options) {
  auto parameters = parametersOf(options.url.reveal());
  if (!parameters) return wrong("the URL of the database " + parameters.error().message);
  PostgresTarget target;
  target.name =
      fmt::format("{}:{}/{}", orElse((*parameters)["host"], "localhost"),
                  orElse((*parameters)["port"], "5432"), orElse((*parameters)["dbname"], "?"));
  parameters->insert_or_assign("application_name", options.applicationName);
  parameters->insert_or_assign("client_encoding", "UTF8");
  // A server that is gone without a word is noticed while nothing is sent, too.
  parameters->insert_or_assign("keepalives_idle", "10");
  parameters->insert_or_assign("keepalives_interval", "5");
  parameters->insert_or_assign("keepalives_count", "3");
  parameters->insert_or_assign("tcp_user_timeout", "15000");
  for (auto& [name, value] : *parameters) {
    if (!value.empty()) target.parameters.emplace_back(name, std::move(value));
  }
  return target;
}

}  // namespace corbel::store
