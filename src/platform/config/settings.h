// What an operator may choose, as typed values. The names, rules and texts stand in
// setting_table.cpp: a new setting is a member here (its type and default) and one line there.
//
// Sources, later wins: defaults, TOML file, environment, flags. `server.port` is `port` in [server]
// of the file, CORBEL_SERVER_PORT in the environment and --server.port on the command line. Names
// that other programs established (PORT, DATABASE_URL ...) are accepted in the environment; a
// CORBEL_ name beside them wins. A secret may also be read from the file named by its variable with
// _FILE behind.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

namespace corbel::config {

// Written as 1048576, 512MB, 512MiB or 2G; the units are powers of 1024.
struct Bytes {
  std::uint64_t count = 0;
  bool operator==(const Bytes&) const = default;
};
constexpr Bytes operator""_MiB(unsigned long long count) { return Bytes{count << 20}; }

struct TlsSettings {
  std::string certificateFile;
  std::string keyFile;
};

struct ServerSettings {
  std::string host = "127.0.0.1";
  std::uint16_t port = 3004;
  std::string unixSocket;
  unsigned threads = 0;
  std::uint32_t maxConnections = 10'000;
  std::chrono::milliseconds headerDeadline{10'000};
  std::chrono::milliseconds idleTimeout{75'000};
  std::chrono::milliseconds shutdownDeadline{10'000};
  Bytes bodyMemory = 256_MiB;
  bool compression = true;
  std::vector<std::string> allowedHosts;
  std::vector<std::string> roles{"all"};
  std::map<std::string, std::string> roleUrls;
  TlsSettings tls;
};

struct DataSettings {
  std::string folder = "./data";
};

struct MetricsSettings {
  std::uint16_t port = 0;
};

struct TraceSettings {
  std::string endpoint;  // empty: none are sent
  double samplingRatio = 1;
  Secret authorization;
};

struct DocsSettings {
  std::string access = "main";  // "main", "admin", "off"
};

struct CorsSettings {
  std::vector<std::string> allowedOrigins;
};

// Where an issuer's tokens say who the caller is.
struct ClaimSettings {
  std::string user;  // empty: "sub", else "id"
  std::string roles = "roles";
  std::string tenants = "tenants";
};

// One issuer of JSON web tokens. Exactly one of keyFile, jwksUrl and jwksFile is set.
struct IssuerSettings {
  std::string iss;  // empty: not checked
  std::string audience;
  std::string algorithm = "RS256";
  std::string keyFile;
  std::string jwksUrl;
  std::string jwksFile;
  std::chrono::seconds leeway{30};
  ClaimSettings claims;
};

// The product's own backend, which knows tokens that no issuer here claims.
struct BackendSettings {
  std::string url;  // empty: there is none
  std::string path = "/api/auth/verify";
  std::string method = "GET";  // "GET", "POST"
  std::chrono::milliseconds connectTimeout{200};
  std::chrono::milliseconds timeout{700};
  std::string caFile;
  ClaimSettings claims;
};

// Of people who sign in here.
struct SessionSettings {
  std::chrono::seconds idle{2 * 3600};
  std::chrono::seconds max{12 * 3600};
  std::string cookie = "auto";  // "auto", "secure"
};

struct AuthSettings {
  bool enabled = true;
  Secret jwtSecret;
  SessionSettings sessions;
  BackendSettings backend;
  std::vector<IssuerSettings> issuers;
};

struct LimitSettings {
  std::uint32_t inferencePerMinute = 10;
  std::uint32_t requestsPerMinute = 600;
  std::uint32_t keyInferencePerMinute = 6'000;
  std::uint32_t keyRequestsPerMinute = 60'000;
  std::uint32_t replicas = 1;
};

struct LogSettings {
  std::string level = "info";
  std::map<std::string, std::string> levels;
  std::string format = "auto";
  bool bodies = false;
};

struct InferenceSettings {
  std::chrono::milliseconds timeout{3000};
  std::uint32_t modelCacheSize = 64;
  Bytes modelCacheBytes = 256_MiB;
  unsigned threads = 0;
  std::string onnxRuntimeLibrary;
  bool fallbackEnabled = true;
  std::string fallbackUrl;  // empty: none
};

struct CacheSettings {
  Bytes memory = 20_MiB;
  Bytes disk = 1024_MiB;
  std::string tier = "auto";  // "auto", "file", "redis", "none"
};

struct PredictionCacheSettings {
  std::chrono::seconds ttl{3600};
  std::chrono::seconds stale{86'400};
};

struct EventSettings {
  std::string source = "/corbel";
  std::uint32_t outboxRows = 100'000;
  Bytes outboxBytes = 256_MiB;
  std::vector<std::string> webhookHosts;
};

struct NatsSettings {
  std::string url;  // empty: no events to NATS
  std::string subject = "corbel.events";
  std::string username;
  Secret password;
  std::string caFile;
};

struct MqttSettings {
  std::string host;  // empty: no events to MQTT
  std::uint16_t port = 1883;
  std::string topic = "corbel/events";
  std::string username;
  Secret password;
  bool tls = false;
  std::string caFile;
};

struct KafkaSettings {
  std::string brokers;  // empty: no events to Kafka
  std::string topic = "corbel-events";
  std::string username;
  Secret password;
  std::string mechanism = "PLAIN";  // "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"
  bool tls = false;
  std::string caFile;
};

struct JobSettings {
  unsigned threads = 2;
  std::chrono::milliseconds lease{30'000};
  std::chrono::seconds keep{7 * 24 * 3600};
  std::uint32_t tenantMax = 10'000;
  std::uint32_t max = 100'000;
};

struct AuditSettings {
  std::uint32_t keepDays = 0;  // 0: for ever
};

struct RedisSettings {
  Secret url;  // may hold a password
  std::string host;
  std::uint16_t port = 6379;
  std::string username;
  Secret password;
  bool tls = false;
  std::string caFile;
};

struct RabbitmqSettings {
  std::string host;  // empty: no events to RabbitMQ
  std::uint16_t port = 5672;
  std::string virtualHost = "/";
  std::string exchange = "corbel.events";
  std::string queue = "corbel-events";
  std::string username = "guest";
  Secret password;
  bool tls = false;
  std::string caFile;
};

struct MemorySettings {
  Bytes limit = 512_MiB;
};

struct StoreSettings {
  Secret url;  // may hold a password
  std::string host;
  std::uint16_t port = 5432;
  std::string name = "corbel";
  std::string user = "corbel";
  Secret password;
  std::string sslMode;
  std::string sslRootCert;
  std::string schema = "corbel";
  unsigned connections = 20;
  std::chrono::milliseconds startWait{30'000};
};

struct SecretSettings {
  std::string keyFile;
  Secret masterKey;
};

struct ObjectSettings {
  std::string folder;
};

// Where the objects are instead of objects.folder.
struct S3Settings {
  std::string url;  // empty: none
  std::string bucket;
  std::string region = "us-east-1";
  std::string accessKey;
  Secret secretKey;
  std::string prefix;
  std::string caFile;
  Bytes cache{std::uint64_t{10} << 30};
};

struct Settings {
  ServerSettings server;
  DataSettings data;
  StoreSettings store;
  SecretSettings secrets;
  ObjectSettings objects;
  S3Settings s3;
  AuthSettings auth;
  LimitSettings limits;
  CorsSettings cors;
  DocsSettings docs;
  InferenceSettings inference;
  CacheSettings cache;
  PredictionCacheSettings predictionCache;
  EventSettings events;
  NatsSettings nats;
  MqttSettings mqtt;
  KafkaSettings kafka;
  JobSettings jobs;
  AuditSettings audit;
  RedisSettings redis;
  RabbitmqSettings rabbitmq;
  MemorySettings memory;
  LogSettings log;
  MetricsSettings metrics;
  TraceSettings traces;
};

// The parts of the program that a process can serve; "all" names them together.
std::span<const std::string_view> roleNames();
// Whether server.roles has it, by name or by "all".
bool hasRole(const ServerSettings& settings, std::string_view role);

// Where the PostgreSQL server is: store.url, or what store.host and its neighbours say. Empty: the
// database is a file.
Secret postgresUrl(const Settings& settings);
// Where the Redis server is: redis.url, or what redis.host and its neighbours say. Nothing: there
// is none.
struct RedisTarget {
  std::string host;
  std::uint16_t port = 6379;
  std::string username;
  Secret password;
  int database = 0;
  bool tls = false;
};
std::optional<RedisTarget> redisTarget(const Settings& settings);
// The file that store.url names ("sqlite:/a/b.db", "sqlite:///a/b.db", "sqlite:b.db"), else
// corbel.db in data.folder.
std::string databaseFile(const Settings& settings);
// Copies of the files that are in S3.
std::string objectCacheFolder(const Settings& settings);
// objects.folder, else objects in data.folder.
std::string objectsFolder(const Settings& settings);

// Where traces are posted to: traces.endpoint with http:// and /v1/traces where they are missing.
std::string tracesUrl(const TraceSettings& settings);

// secrets.keyFile, else master-key in data.folder.
std::string masterKeyFile(const Settings& settings);

// Whether a server that listens on `host` can be reached from this machine alone.
bool isLoopback(std::string_view host);

struct Sources {
  std::optional<std::string> file{};                 // --config; else CORBEL_CONFIG; else no file
  std::map<std::string, std::string> environment{};  // all of it: unknown CORBEL_ names are refused
  std::vector<std::pair<std::string, std::string>> flags{};  // name and value; a later one wins
};

// All of the process's environment variables.
std::map<std::string, std::string> processEnvironment();

struct Configuration {
  Settings settings;
  std::map<std::string, std::string, std::less<>>
      origins;                     // setting -> source; those not named are defaults
  std::vector<std::string> notes;  // for the operator, e.g. which of two sources won
};

// invalid_argument: anything was wrong. Every problem is listed at once: one line each in the
// message, and one entry each in `fields` (pointer: the setting's name). Secrets are masked.
Result<Configuration> load(const Sources& sources);

// `corbel config`: every setting's effective value, source and meaning. Secrets are masked.
std::string toTable(const Configuration& configuration);
std::string toJson(const Configuration& configuration);

// docs/settings.md.
std::string settingsDocument();

}  // namespace corbel::config
