#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/text.h"
#include "config/settings.h"
#include "setting_table.h"

namespace corbel::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ConfigFile {
 public:
  explicit ConfigFile(std::string_view content) {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::temp_directory_path() /
            (std::string("corbel_") + test->name() + std::to_string(getpid()));
    std::ofstream(path_) << content;
  }
  ~ConfigFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string problemsOf(const Sources& sources) {
  const auto configuration = load(sources);
  return configuration ? "none" : configuration.error().message;
}

std::string problemsOfVariable(std::string name, std::string value) {
  return problemsOf({.environment = {{std::move(name), std::move(value)}}});
}

constexpr std::string_view kSecret = "8a1f4c52b96d03e7f8a1b2c3d4e5f607";

TEST(Settings, WithoutSourcesAreTheDefaults) {
  const auto configuration = load({});
  ASSERT_TRUE(configuration);
  EXPECT_EQ(configuration->settings.server.port, 3004);
  EXPECT_TRUE(configuration->origins.empty());
}

TEST(Settings, AreOverriddenByFileThenEnvironmentThenFlags) {
  const ConfigFile file("[server]\nport = 1\nthreads = 2\nmaxConnections = 3\nhost = 'h'\n");
  const auto configuration =
      load({.file = file.path(),
            .environment = {{"CORBEL_SERVER_PORT", "11"}, {"CORBEL_SERVER_THREADS", "12"}},
            .flags = {{"server.port", "21"}}});
  ASSERT_TRUE(configuration) << configuration.error().message;
  const ServerSettings& server = configuration->settings.server;
  EXPECT_EQ(server.port, 21);
  EXPECT_EQ(server.threads, 12u);
  EXPECT_EQ(server.maxConnections, 3u);
  EXPECT_EQ(configuration->origins.at("server.port"), "--server.port");
  EXPECT_EQ(configuration->origins.at("server.threads"), "CORBEL_SERVER_THREADS");
  EXPECT_EQ(configuration->origins.at("server.maxConnections"), file.path() + ":4");
}

TEST(Settings, FileMayBeNamedByTheEnvironment) {
  const ConfigFile file("server.port = 7\n");
  const auto configuration = load({.environment = {{"CORBEL_CONFIG", file.path()}}});
  ASSERT_TRUE(configuration) << configuration.error().message;
  EXPECT_EQ(configuration->settings.server.port, 7);
}

TEST(Settings, LetTheVariablesOfClientsPass) {
  const auto configuration =
      load({.environment = {{"CORBEL_URL", "http://127.0.0.1:3004"}, {"CORBEL_KEY", "crb_x"}}});
  EXPECT_TRUE(configuration) << configuration.error().message;
}

TEST(Settings, ReadEveryType) {
  const auto configuration =
      load({.environment = {{"CORBEL_MEMORY_LIMIT_BYTES", "1GB"},
                            {"CORBEL_INFERENCE_TIMEOUT_MS", "2s"},
                            {"CORBEL_PREDICTION_CACHE_TTL_SECONDS", "1h"},
                            {"CORBEL_AUTH_ENABLED", "No"},
                            {"CORBEL_LOG_LEVEL", "WARN"},
                            {"CORBEL_LOG_LEVELS", "http=debug, store=error"},
                            {"CORBEL_SERVER_ALLOWED_HOSTS", "a.example, b.example:80"}}});
  ASSERT_TRUE(configuration) << configuration.error().message;
  const Settings& settings = configuration->settings;
  EXPECT_EQ(settings.memory.limit, Bytes{1u << 30});
  EXPECT_EQ(settings.inference.timeout, std::chrono::seconds(2));
  EXPECT_EQ(settings.predictionCache.ttl, std::chrono::hours(1));
  EXPECT_FALSE(settings.auth.enabled);
  EXPECT_EQ(settings.log.level, "warn");
  EXPECT_EQ(settings.log.levels.at("store"), "error");
  EXPECT_THAT(settings.server.allowedHosts, ElementsAre("a.example", "b.example:80"));
}

TEST(Settings, ReadListsTablesAndIssuersOfAFile) {
  const ConfigFile file(
      "[log.levels]\nhttp = 'debug'\n[cors]\nallowedOrigins = ['https://a.example']\n"
      "[[auth.issuers]]\niss = 'https://id.example'\njwksFile = 'k.json'\nleewaySeconds = "
      "5\nclaims.user = 'email'\n");
  const auto configuration = load({.file = file.path()});
  ASSERT_TRUE(configuration) << configuration.error().message;
  EXPECT_EQ(configuration->settings.log.levels.at("http"), "debug");
  EXPECT_THAT(configuration->settings.cors.allowedOrigins, ElementsAre("https://a.example"));
  ASSERT_EQ(configuration->settings.auth.issuers.size(), 1u);
  const IssuerSettings& issuer = configuration->settings.auth.issuers[0];
  EXPECT_EQ(issuer.claims.user, "email");
  EXPECT_EQ(issuer.claims.roles, "roles");
  EXPECT_EQ(issuer.leeway, std::chrono::seconds(5));
}

TEST(Settings, ReadIssuersOfAVariable) {
  const auto configuration =
      load({.environment = {{"CORBEL_AUTH_ISSUERS", "[{keyFile = 'a.pem'}]"}}});
  ASSERT_TRUE(configuration) << configuration.error().message;
  EXPECT_EQ(configuration->settings.auth.issuers.at(0).keyFile, "a.pem");
}

TEST(Settings, NameTheFieldOfAnIssuerThatIsWrong) {
  EXPECT_THAT(problemsOfVariable("CORBEL_AUTH_ISSUERS", "[{keyFile = 'a', algorithm = 'none'}]"),
              HasSubstr("setting auth.issuers[0].algorithm: must be one of HS256, HS384, HS512, "
                        "RS256, PS256, ES256, "
                        "EdDSA, got \"none\" (from CORBEL_AUTH_ISSUERS)"));
  EXPECT_THAT(problemsOfVariable("CORBEL_AUTH_ISSUERS", "[{keyfile = 'a'}]"),
              HasSubstr("did you mean keyFile?"));
  EXPECT_THAT(problemsOfVariable("CORBEL_AUTH_ISSUERS", "[{}]"),
              HasSubstr("exactly one of keyFile"));
  EXPECT_THAT(problemsOfVariable("CORBEL_AUTH_ISSUERS", "[3"),
              HasSubstr("must be a list of tables"));
}

TEST(Settings, BadValueNamesSettingRuleValueAndSource) {
  EXPECT_EQ(problemsOfVariable("CORBEL_LIMITS_INFERENCE_PER_MINUTE", "0"),
            "setting limits.inferencePerMinute: must be 1 or more, got 0 (from "
            "CORBEL_LIMITS_INFERENCE_PER_MINUTE)");
  EXPECT_EQ(problemsOfVariable("PORT", "70000"),
            "setting server.port: must be 0 to 65535, got 70000 (from PORT)");
  EXPECT_EQ(problemsOfVariable("LOG_LEVEL", "loud"),
            "setting log.level: must be one of debug, info, warn, warning, error, got \"loud\" "
            "(from LOG_LEVEL)");
}

TEST(Settings, RefuseNumbersThatOverflow) {
  EXPECT_THAT(problemsOfVariable("memory_limit", "99999999999GB"),
              HasSubstr("setting memory.limitBytes: must be"));
  EXPECT_THAT(problemsOfVariable("PORT", "99999999999999999999"),
              HasSubstr("must be a whole number, 0 to 65535"));
  EXPECT_THAT(problemsOfVariable("PORT", "-1"), HasSubstr("must be 0 to 65535"));
  EXPECT_THAT(problemsOfVariable("PORT", ""), HasSubstr("must be a whole number"));
}

TEST(Settings, ListEveryProblemAtOnce) {
  const ConfigFile file("[server]\nprot = 1\nport = 'x'\n");
  const auto configuration = load(
      {.file = file.path(), .environment = {{"CORBEL_SERVR_PORT", "1"}}, .flags = {{"x", "1"}}});
  ASSERT_FALSE(configuration);
  EXPECT_EQ(configuration.error().fields.size(), 4u) << configuration.error().message;
}

TEST(Settings, SuggestTheNameThatWasMeant) {
  EXPECT_EQ(
      problemsOf({.flags = {{"server.prot", "1"}}}),
      "setting server.prot: is not a setting; did you mean server.port? (from --server.prot)");
  EXPECT_THAT(problemsOfVariable("CORBEL_SERVR_PORT", "1"),
              HasSubstr("did you mean CORBEL_SERVER_PORT?"));
}

TEST(Settings, AGatewaySaysWhereTheRolesAreThatItLeavesOut) {
  EXPECT_THAT(problemsOf({.flags = {{"server.roles", "gateway"}}}),
              HasSubstr("setting server.roleUrls: must say where models are"));
  EXPECT_EQ(problemsOf({.flags = {{"server.roles", "gateway"},
                                  {"server.roleUrls", "models=http://10.0.0.5:3004"},
                                  {"store.url", "postgres://u@db/x"}}}),
            "none");
  EXPECT_EQ(problemsOf({.flags = {{"server.roles", "models"}}}), "none");
  EXPECT_EQ(problemsOf({}), "none");
}

TEST(Settings, ProcessesThatPassCallsOnShareAPostgreSql) {
  EXPECT_THAT(problemsOf({.flags = {{"server.roleUrls", "models=http://10.0.0.5:3004"}}}),
              HasSubstr("setting store.url: must be the PostgreSQL that the processes of"));
}

TEST(Settings, TheAddressOfAKeySetHasNoPasswordAndNoQuery) {
  for (const std::string url :
       {"https://a:secret@login/keys", "https://login/keys?token=1", "http://login", "https://"}) {
    const ConfigFile file("[[auth.issuers]]\njwksUrl = '" + url + "'\n");
    EXPECT_THAT(problemsOf({.file = file.path()}),
                HasSubstr("must be an https:// address, without user, query and fragment"))
        << url;
  }
}

TEST(Settings, RefuseRolesAndAddressesThatAreNone) {
  EXPECT_THAT(problemsOf({.flags = {{"server.roles", "models,chef"}}}),
              HasSubstr("must be all, gateway, models, scheduler or worker"));
  EXPECT_THAT(problemsOf({.flags = {{"server.roleUrls", "chef=http://a"}}}),
              HasSubstr("no role that is passed on"));
  for (const char* url : {"models=ftp://a", "models=http://a/path", "models=*", "models=10.0.0.5"})
    EXPECT_THAT(problemsOf({.flags = {{"server.roleUrls", url}}}),
                HasSubstr("must be an address without a path"))
        << url;
}

TEST(Settings, NeverShowASecret) {
  const std::string shortSecret = "hunter2";
  EXPECT_THAT(problemsOfVariable("JWT_SECRET", shortSecret), Not(HasSubstr(shortSecret)));
  EXPECT_THAT(problemsOfVariable("DATABASE_URL", "postgre://u:hunter2@db/x"),
              Not(HasSubstr(shortSecret)));
  const auto database = load({.environment = {{"DATABASE_URL", "postgres://u:hunter2@db/x"}}});
  ASSERT_TRUE(database) << database.error().message;
  EXPECT_THAT(toTable(*database) + toJson(*database), Not(HasSubstr(shortSecret)));
  const auto configuration = load({.environment = {{"JWT_SECRET", std::string(kSecret)}}});
  ASSERT_TRUE(configuration) << configuration.error().message;
  EXPECT_THAT(toTable(*configuration) + toJson(*configuration),
              Not(HasSubstr(std::string(kSecret))));
}

TEST(Settings, ReadASecretFromTheFileThatAVariableNames) {
  const ConfigFile file(std::string(kSecret) + "\n");
  const auto configuration = load({.environment = {{"JWT_SECRET_FILE", file.path()}}});
  ASSERT_TRUE(configuration) << configuration.error().message;
  EXPECT_EQ(configuration->settings.auth.jwtSecret.reveal(), kSecret);
  EXPECT_THAT(problemsOfVariable("JWT_SECRET_FILE", "/nonexistent"), HasSubstr("No such file"));
}

TEST(Settings, RefuseWeakSigningSecrets) {
  EXPECT_THAT(problemsOfVariable("JWT_SECRET", ""), HasSubstr("32 bytes or more"));
  EXPECT_THAT(problemsOfVariable("JWT_SECRET", std::string(40, 'a')), HasSubstr("must be random"));
  EXPECT_THAT(problemsOfVariable("JWT_SECRET", "please-change-me-0123456789-abcdefgh"),
              HasSubstr("placeholder"));
}

TEST(Settings, OwnVariableWinsOverAnAliasAndANoteSaysSo) {
  const auto configuration = load({.environment = {{"PORT", "1"}, {"CORBEL_SERVER_PORT", "2"}}});
  ASSERT_TRUE(configuration);
  EXPECT_EQ(configuration->settings.server.port, 2);
  EXPECT_THAT(configuration->notes, ElementsAre("PORT is not used: CORBEL_SERVER_PORT is set too"));
}

TEST(Settings, EstablishedNamesAreAccepted) {
  const auto configuration = load({.environment = {{"HOST", "localhost"},
                                                   {"DATABASE_URL", "sqlite:/tmp/x.db"},
                                                   {"MODEL_CACHE_SIZE", "9"},
                                                   {"PROMETHEUS_PORT", "9090"},
                                                   {"LOG_LEVEL", "INFO"},
                                                   {"inference_timeout", "1500"},
                                                   {"memory_limit", "256MB"},
                                                   {"model_path", "/models"}}});
  ASSERT_TRUE(configuration) << configuration.error().message;
  EXPECT_EQ(configuration->settings.inference.timeout, std::chrono::milliseconds(1500));
  EXPECT_EQ(configuration->settings.memory.limit, 256_MiB);
  EXPECT_EQ(configuration->settings.objects.folder, "/models");
}

TEST(Settings, NamesOfWhatIsNotBuiltYetAreRefusedWithAReason) {
  for (const Unavailable& missing : unavailableTable()) {
    const std::string name(missing.name);
    EXPECT_EQ(problemsOfVariable(name, "x"),
              "setting " + name + ": " + std::string(missing.why) + " (from environment)");
    EXPECT_EQ(problemsOfVariable(name, ""), "none");
  }
}

TEST(Settings, NameTheBackendThatKnowsTokens) {
  const auto configuration =
      load({.environment = {{"MAIN_BACKEND_URL", "http://backend:3000/app/"}}});
  ASSERT_TRUE(configuration) << configuration.error().message;
  EXPECT_EQ(configuration->settings.auth.backend.url, "http://backend:3000/app/");
  for (const char* wrong : {"backend:3000", "ftp://backend", "https://", "https://user@backend",
                            "https://backend?x=1", "https://back end"})
    EXPECT_THAT(problemsOfVariable("MAIN_BACKEND_URL", wrong), HasSubstr("must be http://"))
        << wrong;
}

TEST(Settings, SayWhichPostgresServerIsMeant) {
  const auto urlOf = [](std::map<std::string, std::string> environment) {
    const auto configuration = load({.environment = std::move(environment)});
    return configuration ? std::string(postgresUrl(configuration->settings).reveal())
                         : configuration.error().message;
  };
  EXPECT_EQ(urlOf({}), "");
  EXPECT_EQ(urlOf({{"DATABASE_URL", "sqlite:/a.db"}, {"DB_HOST", "db"}}), "");
  EXPECT_EQ(urlOf({{"DATABASE_URL", "postgres://u@db/x"}, {"DB_HOST", "other"}}),
            "postgres://u@db/x");
  const ConfigFile password("p/w:d@\n");
  EXPECT_EQ(urlOf({{"DB_HOST", "db"},
                   {"DB_PORT", "6432"},
                   {"DB_NAME", "shop"},
                   {"DB_USER", "ann"},
                   {"DB_PASSWORD_FILE", password.path()},
                   {"CORBEL_STORE_SSL_MODE", "verify-ca"}}),
            "postgres://ann:p%2Fw%3Ad%40@db:6432/shop?sslmode=verify-ca");
  EXPECT_THAT(problemsOfVariable("CORBEL_STORE_SCHEMA", "a;b"), HasSubstr("lower-case"));
}

TEST(Settings, SayWhereTheDatabaseAndTheObjectsAre) {
  Settings settings;
  EXPECT_EQ(databaseFile(settings), "./data/corbel.db");
  EXPECT_EQ(objectsFolder(settings), "./data/objects");
  for (const auto& [url, file] :
       {std::pair("sqlite:a.db", "a.db"), {"sqlite:/a.db", "/a.db"}, {"sqlite:///a.db", "/a.db"}}) {
    EXPECT_EQ(problemsOfVariable("DATABASE_URL", url), "none");
    settings.store.url = Secret(url);
    EXPECT_EQ(databaseFile(settings), file);
  }
  for (const std::string url :
       {"sqlite:", "sqlite://", "sqlite://host/a.db", "a.db", "mysql://db/x"}) {
    EXPECT_THAT(problemsOfVariable("DATABASE_URL", url), HasSubstr("must be sqlite:<file>")) << url;
  }
}

TEST(Settings, RefuseToServeOthersWithoutAuthentication) {
  EXPECT_THAT(
      problemsOf({.flags = {{"server.host", "0.0.0.0"}, {"auth.enabled", "false"}}}),
      HasSubstr("setting auth.enabled: must be true where server.host is not a loopback address"));
  EXPECT_EQ(problemsOf({.flags = {{"server.host", "127.0.0.1"}, {"auth.enabled", "false"}}}),
            "none");
}

TEST(Settings, CheckOrigins) {
  EXPECT_THAT(problemsOf({.flags = {{"cors.allowedOrigins", "https://a.example/"}}}),
              HasSubstr("without a path"));
  EXPECT_EQ(problemsOf({.flags = {{"cors.allowedOrigins", "*"}}}), "none");
  EXPECT_THAT(problemsOf({.flags = {{"cors.allowedOrigins", "*,https://a.example"}}}),
              HasSubstr("setting cors.allowedOrigins: must be * alone"));
}

TEST(Settings, PutTheDocsOnTheAdminListenerOnlyWhereThereIsOne) {
  EXPECT_THAT(problemsOf({.flags = {{"docs.access", "admin"}}}),
              HasSubstr("setting docs.access: must not be admin where metrics.port is 0"));
  EXPECT_EQ(problemsOf({.flags = {{"docs.access", "admin"}, {"metrics.port", "9100"}}}), "none");
}

TEST(Loopback, IsThisMachineAlone) {
  for (const char* host : {"localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"})
    EXPECT_TRUE(isLoopback(host)) << host;
  for (const char* host : {"0.0.0.0", "::", "127.example.com", "127.0.0.1.example.com", ""})
    EXPECT_FALSE(isLoopback(host)) << host;
}

TEST(Settings, SayWhereAFileIsNotToml) {
  const ConfigFile file("[server]\nport = = 3\n");
  EXPECT_THAT(problemsOf({.file = file.path()}), HasSubstr("is not TOML: line 2"));
  EXPECT_THAT(problemsOf({.file = "/nonexistent.toml"}),
              HasSubstr("setting --config: /nonexistent.toml cannot be read"));
  EXPECT_THAT(problemsOf({.file = "/"}), HasSubstr("cannot be read"));
}

TEST(Settings, SurviveHostileFiles) {
  const ConfigFile nested("a = " + std::string(100'000, '['));
  EXPECT_THAT(problemsOf({.file = nested.path()}), HasSubstr("is not TOML"));
  const ConfigFile large(std::string(2 << 20, '#'));
  EXPECT_THAT(problemsOf({.file = large.path()}), HasSubstr("must not be longer"));
  const ConfigFile controls("\"\\u001b[31m\" = 1\n");
  EXPECT_THAT(problemsOf({.file = controls.path()}), Not(HasSubstr("\x1b")));
}

TEST(SettingTable, NamesAndAliasesAreUnique) {
  std::set<std::string> names;
  for (const auto& entry : settingTable()) {
    EXPECT_TRUE(names.insert(std::string(entry.name)).second) << entry.name;
    EXPECT_TRUE(names.insert(environmentName(entry.name)).second) << entry.name;
    for (const auto alias : entry.rule.aliases) {
      if (!alias.empty()) EXPECT_TRUE(names.insert(std::string(alias)).second) << alias;
    }
  }
  for (const Unavailable& missing : unavailableTable())
    EXPECT_TRUE(names.insert(std::string(missing.name)).second);
}

TEST(SettingTable, EveryDefaultIsAllowed) {
  for (const auto& entry : settingTable()) {
    if (entry.secret) continue;
    const std::string value = entry.name == "auth.issuers" ? "[]" : entry.show(Settings{});
    EXPECT_EQ(problemsOf({.flags = {{std::string(entry.name), value}}}), "none") << entry.name;
  }
}

TEST(SettingTable, KnowsEveryEstablishedName) {
  for (const std::string_view name : {"PORT",
                                      "HOST",
                                      "DB_HOST",
                                      "DB_PORT",
                                      "DB_NAME",
                                      "DB_USER",
                                      "DB_PASSWORD",
                                      "DATABASE_URL",
                                      "REDIS_HOST",
                                      "REDIS_PORT",
                                      "REDIS_PASSWORD",
                                      "REDIS_URL",
                                      "KAFKA_BROKER",
                                      "JWT_SECRET",
                                      "MAIN_BACKEND_URL",
                                      "OPENAI_API_KEY",
                                      "ANTHROPIC_API_KEY",
                                      "VECTOR_DB_URL",
                                      "MODEL_CACHE_SIZE",
                                      "MAX_BATCH_SIZE",
                                      "TENSORFLOW_BACKEND",
                                      "PYTORCH_BACKEND",
                                      "KUBECONFIG",
                                      "K8S_NAMESPACE",
                                      "PROMETHEUS_PORT",
                                      "JAEGER_ENDPOINT",
                                      "MQTT_BROKER",
                                      "MQTT_PORT",
                                      "MQTT_USERNAME",
                                      "MQTT_PASSWORD",
                                      "HA_URL",
                                      "HA_TOKEN",
                                      "DATA_API_URL",
                                      "ANALYSIS_SCHEDULE",
                                      "LOG_LEVEL",
                                      "model_path",
                                      "inference_timeout",
                                      "memory_limit",
                                      "fallback_enabled"}) {
    const bool known =
        std::ranges::any_of(unavailableTable(),
                            [&](const Unavailable& u) { return u.name == name; }) ||
        std::ranges::any_of(settingTable(), [&](const auto& entry) {
          return std::ranges::find(entry.rule.aliases, name) != entry.rule.aliases.end();
        });
    EXPECT_TRUE(known) << name;
  }
}

TEST(SettingsDocument, NamesEverySettingAndEveryAlias) {
  const std::string document = settingsDocument();
  for (const auto& entry : settingTable()) {
    EXPECT_THAT(document, HasSubstr("| `" + std::string(entry.name) + "` |"));
    for (const auto alias : entry.rule.aliases)
      EXPECT_THAT(document, HasSubstr(std::string(alias)));
  }
}

TEST(ConfigCommand, ShowsValueSourceAndMeaning) {
  const auto configuration = load({.environment = {{"PORT", "8080"}}});
  ASSERT_TRUE(configuration);
  EXPECT_THAT(toTable(*configuration),
              testing::ContainsRegex("server.port +8080 +PORT +Port to listen on"));
  EXPECT_THAT(toJson(*configuration),
              HasSubstr(R"({"name": "server.port", "value": "8080", "source": "PORT")"));
}

}  // namespace
}  // namespace corbel::config
