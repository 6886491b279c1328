#include "setting_table.h"

#include <algorithm>
#include <array>

#include "rules.h"

namespace corbel::config {
namespace {

using S = Settings;
constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kMillion = 1'000'000;
constexpr std::int64_t kKiB = 1024;
constexpr std::int64_t kMiB = 1024 * kKiB;

// clang-format off
constexpr std::array kSettings = {
    setting<&S::server, &ServerSettings::host>("server.host", {.aliases = {"HOST"}, .check = checkHost}, "Address to listen on. Anything but a loopback address needs auth.enabled."),
    setting<&S::server, &ServerSettings::port>("server.port", {.aliases = {"PORT"}}, "Port to listen on; 0 takes any free one."),
    setting<&S::server, &ServerSettings::unixSocket>("server.unixSocket", {}, "Unix socket to listen on as well (mode 660); empty: none."),
    setting<&S::server, &ServerSettings::threads>("server.threads", {.max = 256}, "Network threads; 0 follows the CPUs this process may use."),
    setting<&S::server, &ServerSettings::maxConnections>("server.maxConnections", {.min = 1, .max = kMillion}, "Connections served at once; more are refused."),
    setting<&S::server, &ServerSettings::headerDeadline>("server.headerDeadlineMs", {.min = 100}, "Time from a request's first byte to the end of its header."),
    setting<&S::server, &ServerSettings::idleTimeout>("server.idleTimeoutMs", {.min = 100}, "Time a connection may wait between requests."),
    setting<&S::server, &ServerSettings::shutdownDeadline>("server.shutdownDeadlineMs", {.max = 300'000}, "Time running requests get to finish when the server stops."),
    setting<&S::server, &ServerSettings::bodyMemory>("server.bodyMemoryBytes", {.min = 64 * kMiB}, "Memory that request bodies may take together; more get 503."),
    setting<&S::server, &ServerSettings::compression>("server.compression", {}, "Whether answers of 1 KiB and more are compressed (zstd, gzip) for clients that ask for it."),
    setting<&S::server, &ServerSettings::allowedHosts>("server.allowedHosts", {.check = checkAllowedHost}, "Host headers answered, besides the loopback names and the address listened on; * answers all."),
    setting<&S::server, &ServerSettings::roles>("server.roles", {.check = checkRole}, "What this process serves: all, or some of gateway, models, scheduler and worker."),
    setting<&S::server, &ServerSettings::roleUrls>("server.roleUrls", {.check = checkRoleUrl}, "Where the processes are that serve the roles which this one leaves out, as in models=http://10.0.0.5:3004."),
    setting<&S::server, &ServerSettings::tls, &TlsSettings::certificateFile>("server.tls.certificateFile", {}, "PEM file with the certificate and those that signed it: server.port speaks TLS; empty: plain HTTP. A replaced file is noticed."),
    setting<&S::server, &ServerSettings::tls, &TlsSettings::keyFile>("server.tls.keyFile", {}, "PEM file with the certificate's private key, without passphrase."),
    setting<&S::data, &DataSettings::folder>("data.folder", {.check = checkFolder}, "Folder of everything that is kept."),
    setting<&S::store, &StoreSettings::url>("store.url", {.aliases = {"DATABASE_URL"}, .check = checkStoreUrl}, "Database, as sqlite:<file> or postgres://user:password@host:port/name?sslmode=...; empty: store.host, else corbel.db in data.folder."),
    setting<&S::store, &StoreSettings::host>("store.host", {.aliases = {"DB_HOST"}}, "PostgreSQL server, where store.url is empty."),
    setting<&S::store, &StoreSettings::port>("store.port", {.min = 1, .aliases = {"DB_PORT"}}, "Its port."),
    setting<&S::store, &StoreSettings::name>("store.name", {.aliases = {"DB_NAME"}}, "Its database."),
    setting<&S::store, &StoreSettings::user>("store.user", {.aliases = {"DB_USER"}}, "Role that connects."),
    setting<&S::store, &StoreSettings::password>("store.password", {.aliases = {"DB_PASSWORD"}}, "Password of that role."),
    setting<&S::store, &StoreSettings::sslMode>("store.sslMode", {.words = {"", "verify-full", "verify-ca", "disable"}}, "Encryption of store.host; empty: verify-full, but on this machine what the server offers."),
    setting<&S::store, &StoreSettings::sslRootCert>("store.sslRootCert", {}, "File of the authorities that may have signed the certificate of store.host; empty: those of the system."),
    setting<&S::store, &StoreSettings::schema>("store.schema", {.check = checkSchema}, "Schema of Corbel's tables in PostgreSQL, made where it is missing."),
    setting<&S::store, &StoreSettings::connections>("store.connections", {.min = 6, .max = 100}, "Connections to PostgreSQL at the most, four of them for writing."),
    setting<&S::store, &StoreSettings::startWait>("store.startWaitMs", {.max = 600'000}, "How long the start waits for a PostgreSQL server that does not answer yet; 0: not at all."),
    setting<&S::secrets, &SecretSettings::keyFile>("secrets.keyFile", {}, "File with the master key that seals stored secrets; made at the first start. Empty: master-key in data.folder."),
    setting<&S::secrets, &SecretSettings::masterKey>("secrets.masterKey", {}, "The master key itself, 64 hexadecimal digits, instead of a file; during a rotation the new one, a comma, and the old one."),
    setting<&S::objects, &ObjectSettings::folder>("objects.folder", {.aliases = {"model_path", "MODEL_PATH"}}, "Folder of model files and other artifacts; empty: objects in data.folder."),
    setting<&S::s3, &S3Settings::url>("s3.url", {.check = checkS3Url}, "S3-compatible server that keeps model files and other artifacts, as in https://s3.eu-central-1.amazonaws.com; empty: objects.folder."),
    setting<&S::s3, &S3Settings::bucket>("s3.bucket", {.check = checkBucket}, "Its bucket, which must be there."),
    setting<&S::s3, &S3Settings::region>("s3.region", {}, "Region that requests are signed for."),
    setting<&S::s3, &S3Settings::accessKey>("s3.accessKey", {}, "Name of the access key."),
    setting<&S::s3, &S3Settings::secretKey>("s3.secretKey", {}, "The access key's secret."),
    setting<&S::s3, &S3Settings::prefix>("s3.prefix", {.check = checkS3Prefix}, "What the names of all files in the bucket begin with, as in corbel/."),
    setting<&S::s3, &S3Settings::caFile>("s3.caFile", {}, "Authorities (PEM) that TLS to s3.url trusts; empty: the system's."),
    setting<&S::s3, &S3Settings::cache>("s3.cacheBytes", {.min = kMiB}, "Size of the copies in the folder object-cache of data.folder; what was not opened for the longest time goes first."),
    setting<&S::auth, &AuthSettings::enabled>("auth.enabled", {}, "Whether callers must prove who they are; may be off on a loopback address only."),
    setting<&S::auth, &AuthSettings::jwtSecret>("auth.jwtSecret", {.aliases = {"JWT_SECRET"}, .check = checkSigningSecret}, "Makes an issuer of HS256 tokens signed with this secret of 32 bytes or more."),
    setting<&S::auth, &AuthSettings::sessions, &SessionSettings::idle>("auth.sessions.idleSeconds", {.min = 60, .max = 30 * 24 * kHour}, "Time after which an unused session of somebody who signed in ends."),
    setting<&S::auth, &AuthSettings::sessions, &SessionSettings::max>("auth.sessions.maxSeconds", {.min = 60, .max = 365 * 24 * kHour}, "Time after which every session ends, however much it is used."),
    setting<&S::auth, &AuthSettings::sessions, &SessionSettings::cookie>("auth.sessions.cookie", {.words = {"auto", "secure"}}, "Whether browsers send the session's cookie over TLS alone: auto, where this server speaks TLS; secure, always, as behind a proxy that does."),
    setting<&S::auth, &AuthSettings::backend, &BackendSettings::url>("auth.backend.url", {.aliases = {"MAIN_BACKEND_URL"}, .check = checkBackendUrl}, "The product's backend, which is asked about tokens that no issuer here claims; empty: none."),
    setting<&S::auth, &AuthSettings::backend, &BackendSettings::path>("auth.backend.path", {.check = checkPath}, "Path of the backend that answers who the bearer of a token is."),
    setting<&S::auth, &AuthSettings::backend, &BackendSettings::method>("auth.backend.method", {.words = {"GET", "POST"}}, "How the backend is asked."),
    setting<&S::auth, &AuthSettings::backend, &BackendSettings::connectTimeout>("auth.backend.connectTimeoutMs", {.min = 10, .max = 10'000}, "Time to connect to the backend."),
    setting<&S::auth, &AuthSettings::backend, &BackendSettings::timeout>("auth.backend.timeoutMs", {.min = 50, .max = 10'000}, "Time for the backend's answer; later ones are answered with 503."),
    setting<&S::auth, &AuthSettings::backend, &BackendSettings::caFile>("auth.backend.caFile", {}, "Authorities (PEM) that https:// to the backend trusts; empty: the system's."),
    setting<&S::auth, &AuthSettings::backend, &BackendSettings::claims, &ClaimSettings::user>("auth.backend.claims.user", {}, "Member of the backend's answer that names the user; empty: sub, else id."),
    setting<&S::auth, &AuthSettings::backend, &BackendSettings::claims, &ClaimSettings::roles>("auth.backend.claims.roles", {}, "Member that lists the user's roles."),
    setting<&S::auth, &AuthSettings::backend, &BackendSettings::claims, &ClaimSettings::tenants>("auth.backend.claims.tenants", {}, "Member that lists the user's tenants."),
    setting<&S::auth, &AuthSettings::issuers>("auth.issuers", {}, "Issuers of tokens that are accepted; the fields of each are listed below."),
    setting<&S::limits, &LimitSettings::inferencePerMinute>("limits.inferencePerMinute", {.min = 1, .unit = "requests"}, "Inference requests of one end user in any minute."),
    setting<&S::limits, &LimitSettings::requestsPerMinute>("limits.requestsPerMinute", {.min = 1, .unit = "requests"}, "Other requests of one end user in any minute."),
    setting<&S::limits, &LimitSettings::keyInferencePerMinute>("limits.keyInferencePerMinute", {.min = 1, .unit = "requests"}, "Inference requests in any minute of an API key that was made without a limit of its own."),
    setting<&S::limits, &LimitSettings::keyRequestsPerMinute>("limits.keyRequestsPerMinute", {.min = 1, .unit = "requests"}, "Other requests in any minute of such a key."),
    setting<&S::limits, &LimitSettings::replicas>("limits.replicas", {.min = 1, .max = 1000, .unit = "processes"}, "Processes that share limits through Redis; while it is away each allows its part, but at least one request."),
    setting<&S::cors, &CorsSettings::allowedOrigins>("cors.allowedOrigins", {.check = checkOrigin}, "Web origins whose pages may call this server."),
    setting<&S::docs, &DocsSettings::access>("docs.access", {.words = {"main", "admin", "off"}}, "Where /docs, /redoc and /openapi.json are served: on server.port, on metrics.port, or nowhere."),
    setting<&S::inference, &InferenceSettings::timeout>("inference.timeoutMs", {.min = 1, .max = kHour * 1000, .aliases = {"inference_timeout", "INFERENCE_TIMEOUT"}}, "Time one prediction may take."),
    setting<&S::inference, &InferenceSettings::modelCacheSize>("inference.modelCacheSize", {.min = 1, .max = 100'000, .aliases = {"MODEL_CACHE_SIZE"}, .unit = "models"}, "Models kept loaded at once."),
    setting<&S::inference, &InferenceSettings::modelCacheBytes>("inference.modelCacheBytes", {.min = kMiB}, "Memory that loaded models may take."),
    setting<&S::inference, &InferenceSettings::threads>("inference.threads", {.max = 256}, "Threads that run models; 0 follows the CPUs this process may use."),
    setting<&S::inference, &InferenceSettings::onnxRuntimeLibrary>("inference.onnxRuntimeLibrary", {}, "ONNX Runtime's shared library; empty: searched beside the program and in the system."),
    setting<&S::cache, &CacheSettings::memory>("cache.memoryBytes", {.max = 1024 * kMiB}, "Memory that cached values may take; what was not used for the longest time goes first."),
    setting<&S::cache, &CacheSettings::disk>("cache.diskBytes", {}, "Size of the cached values in the folder cache of data.folder; the first to expire go first."),
    setting<&S::cache, &CacheSettings::tier>("cache.tier", {.words = {"auto", "file", "redis", "none"}}, "Where cached values are kept beside memory; auto: in Redis where it is set up, else in a file."),
    setting<&S::inference, &InferenceSettings::fallbackEnabled>("inference.fallbackEnabled", {.aliases = {"fallback_enabled", "FALLBACK_ENABLED"}}, "Whether something else answers when a model cannot: an older answer, what its owner declared, or the product."),
    setting<&S::inference, &InferenceSettings::fallbackUrl>("inference.fallbackUrl", {.aliases = {"fallback_url", "FALLBACK_URL"}, .check = checkBackendUrl}, "Address of the product that answers predictions when nothing else can; empty: none."),
    setting<&S::predictionCache, &PredictionCacheSettings::ttl>("predictionCache.ttlSeconds", {}, "Longest time a stored prediction is used, whatever its model asks for; 0 stores none."),
    setting<&S::predictionCache, &PredictionCacheSettings::stale>("predictionCache.staleSeconds", {}, "How long an expired answer is kept for when its model cannot answer."),
    setting<&S::events, &EventSettings::source>("events.source", {.check = checkEventSource}, "The source of every event, as CloudEvents has it: a name of this installation."),
    setting<&S::events, &EventSettings::outboxRows>("events.outboxRows", {.min = 100, .max = 10 * kMillion, .unit = "events"}, "Events that may wait for sinks; at the bound, changes that make an event are refused with 507."),
    setting<&S::events, &EventSettings::outboxBytes>("events.outboxBytes", {.min = kMiB}, "Size of the events that may wait."),
    setting<&S::events, &EventSettings::webhookHosts>("events.webhookHosts", {.check = checkWebhookHost}, "Hosts that webhooks may name although they are private or speak http, as in hooks.internal:9000."),
    setting<&S::nats, &NatsSettings::url>("nats.url", {.check = checkNatsUrl}, "NATS servers that get every event through JetStream, as in tls://nats.example.com:4222; several with commas; empty: none."),
    setting<&S::nats, &NatsSettings::subject>("nats.subject", {.check = checkNatsSubject}, "First part of the subjects; a stream has to store <subject>.>."),
    setting<&S::nats, &NatsSettings::username>("nats.username", {}, "User name at NATS."),
    setting<&S::nats, &NatsSettings::password>("nats.password", {}, "Password at NATS; without a user name it is a token."),
    setting<&S::nats, &NatsSettings::caFile>("nats.caFile", {}, "Authorities (PEM) that tls:// trusts; empty: the system's."),
    setting<&S::mqtt, &MqttSettings::host>("mqtt.host", {.aliases = {"MQTT_BROKER"}, .check = checkBrokerHost}, "MQTT 5 broker that gets every event; empty: none."),
    setting<&S::mqtt, &MqttSettings::port>("mqtt.port", {.min = 1, .aliases = {"MQTT_PORT"}}, "Port of the MQTT broker; with TLS usually 8883."),
    setting<&S::mqtt, &MqttSettings::topic>("mqtt.topic", {.check = checkMqttTopic}, "First part of the topics."),
    setting<&S::mqtt, &MqttSettings::username>("mqtt.username", {.aliases = {"MQTT_USERNAME"}}, "User name at the MQTT broker."),
    setting<&S::mqtt, &MqttSettings::password>("mqtt.password", {.aliases = {"MQTT_PASSWORD"}}, "Password at the MQTT broker."),
    setting<&S::mqtt, &MqttSettings::tls>("mqtt.tls", {}, "Whether the MQTT broker is spoken to over TLS."),
    setting<&S::mqtt, &MqttSettings::caFile>("mqtt.caFile", {}, "Authorities (PEM) that TLS to the MQTT broker trusts; empty: the system's."),
    setting<&S::kafka, &KafkaSettings::brokers>("kafka.brokers", {.aliases = {"KAFKA_BROKER"}, .check = checkKafkaBrokers}, "Kafka brokers that get every event, as in kafka1:9092,kafka2:9092; empty: none."),
    setting<&S::kafka, &KafkaSettings::topic>("kafka.topic", {.check = checkKafkaTopic}, "Topic at Kafka."),
    setting<&S::kafka, &KafkaSettings::username>("kafka.username", {}, "User name at Kafka (SASL); empty: none is sent."),
    setting<&S::kafka, &KafkaSettings::password>("kafka.password", {}, "Password at Kafka."),
    setting<&S::kafka, &KafkaSettings::mechanism>("kafka.mechanism", {.words = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}}, "How the password is proven to Kafka."),
    setting<&S::kafka, &KafkaSettings::tls>("kafka.tls", {}, "Whether Kafka is spoken to over TLS."),
    setting<&S::kafka, &KafkaSettings::caFile>("kafka.caFile", {}, "Authorities (PEM) that TLS to Kafka trusts; empty: the system's."),
    setting<&S::jobs, &JobSettings::threads>("jobs.threads", {.min = 1, .max = 64}, "Jobs that run at once in this process."),
    setting<&S::jobs, &JobSettings::lease>("jobs.leaseMs", {.min = 1'000, .max = kHour * 1000}, "Time after which the job of a process that went away is given to another."),
    setting<&S::jobs, &JobSettings::keep>("jobs.keepSeconds", {.min = 60}, "How long jobs that have ended are kept, with their files."),
    setting<&S::jobs, &JobSettings::tenantMax>("jobs.tenantMax", {.min = 1, .max = kMillion, .unit = "jobs"}, "Jobs of one tenant that may wait or run; more get 429."),
    setting<&S::jobs, &JobSettings::max>("jobs.max", {.min = 1, .max = 10 * kMillion, .unit = "jobs"}, "Jobs of all tenants that may wait or run; more get 507."),
    setting<&S::audit, &AuditSettings::keepDays>("audit.keepDays", {.max = 36'500, .unit = "days"}, "How long lines of the audit log are kept; 0: for ever."),
    setting<&S::redis, &RedisSettings::url>("redis.url", {.aliases = {"REDIS_URL"}, .check = checkRedisUrl}, "Redis server that processes share limits through, as redis://user:password@host:port/database, or rediss:// for TLS; empty: redis.host."),
    setting<&S::redis, &RedisSettings::host>("redis.host", {.aliases = {"REDIS_HOST"}, .check = checkBrokerHost}, "Redis server, where redis.url is empty; empty: none."),
    setting<&S::redis, &RedisSettings::port>("redis.port", {.min = 1, .aliases = {"REDIS_PORT"}}, "Its port."),
    setting<&S::redis, &RedisSettings::username>("redis.username", {}, "User name at redis.host; empty: the password alone is sent."),
    setting<&S::redis, &RedisSettings::password>("redis.password", {.aliases = {"REDIS_PASSWORD"}}, "Password at redis.host."),
    setting<&S::redis, &RedisSettings::tls>("redis.tls", {}, "Whether redis.host is spoken to over TLS."),
    setting<&S::redis, &RedisSettings::caFile>("redis.caFile", {}, "Authorities (PEM) that TLS to Redis trusts; empty: the system's."),
    setting<&S::rabbitmq, &RabbitmqSettings::host>("rabbitmq.host", {.check = checkBrokerHost}, "RabbitMQ broker (AMQP 0-9-1) that gets every event; empty: none."),
    setting<&S::rabbitmq, &RabbitmqSettings::port>("rabbitmq.port", {.min = 1}, "Port of RabbitMQ; with TLS usually 5671."),
    setting<&S::rabbitmq, &RabbitmqSettings::virtualHost>("rabbitmq.virtualHost", {.check = checkAmqpName}, "Virtual host at RabbitMQ."),
    setting<&S::rabbitmq, &RabbitmqSettings::exchange>("rabbitmq.exchange", {.check = checkAmqpName}, "Durable topic exchange that events are published to; made where it is missing."),
    setting<&S::rabbitmq, &RabbitmqSettings::queue>("rabbitmq.queue", {.check = checkAmqpQueue}, "Durable queue that gets all of them, made where it is missing; empty: none is made, and who wants events binds queues of his own."),
    setting<&S::rabbitmq, &RabbitmqSettings::username>("rabbitmq.username", {}, "User name at RabbitMQ (SASL PLAIN)."),
    setting<&S::rabbitmq, &RabbitmqSettings::password>("rabbitmq.password", {}, "Password at RabbitMQ."),
    setting<&S::rabbitmq, &RabbitmqSettings::tls>("rabbitmq.tls", {}, "Whether RabbitMQ is spoken to over TLS."),
    setting<&S::rabbitmq, &RabbitmqSettings::caFile>("rabbitmq.caFile", {}, "Authorities (PEM) that TLS to RabbitMQ trusts; empty: the system's."),
    setting<&S::memory, &MemorySettings::limit>("memory.limitBytes", {.min = 64 * kMiB, .aliases = {"memory_limit", "MEMORY_LIMIT"}}, "Memory above which caches shrink and heavy work is refused."),
    setting<&S::log, &LogSettings::level>("log.level", {.words = {"debug", "info", "warn", "warning", "error"}, .aliases = {"LOG_LEVEL"}}, "Least level that is logged."),
    setting<&S::log, &LogSettings::levels>("log.levels", {.words = {"debug", "info", "warn", "warning", "error"}}, "Level of single modules, as in http=debug,store=warn."),
    setting<&S::log, &LogSettings::format>("log.format", {.words = {"auto", "json", "text"}}, "Form of log lines; auto is text on a terminal and JSON elsewhere."),
    setting<&S::log, &LogSettings::bodies>("log.bodies", {}, "Whether request and response bodies are logged, redacted, at level debug."),
    setting<&S::metrics, &MetricsSettings::port>("metrics.port", {.aliases = {"PROMETHEUS_PORT"}}, "Port of its own for /metrics, without credentials; 0 serves it on server.port to callers with a key."),
    setting<&S::traces, &TraceSettings::endpoint>("traces.endpoint", {.aliases = {"JAEGER_ENDPOINT"}, .check = checkTracesEndpoint}, "OpenTelemetry collector (OTLP over HTTP) that gets traces, as in http://collector:4318; empty: none are sent."),
    setting<&S::traces, &TraceSettings::samplingRatio>("traces.samplingRatio", {.max = 1}, "Share of the calls that are traced when the caller does not say; a caller's traceparent decides for its own."),
    setting<&S::traces, &TraceSettings::authorization>("traces.authorization", {}, "Value of the Authorization header that the collector asks for."),
};

constexpr std::array kIssuer = {
    setting<&IssuerSettings::iss>("iss", {}, "The token's iss; empty: not checked."),
    setting<&IssuerSettings::audience>("audience", {}, "What the token's aud must contain; empty: not checked."),
    setting<&IssuerSettings::algorithm>("algorithm", {.words = {"HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA"}}, "Algorithm of the key; a token with another is refused."),
    setting<&IssuerSettings::keyFile>("keyFile", {}, "File with the public key (PEM), or the secret of an HS algorithm."),
    setting<&IssuerSettings::jwksUrl>("jwksUrl", {.check = checkJwksUrl}, "Address of the issuer's key set."),
    setting<&IssuerSettings::jwksFile>("jwksFile", {}, "File with the issuer's key set."),
    setting<&IssuerSettings::leeway>("leewaySeconds", {.max = 60}, "How far the clocks may differ."),
    setting<&IssuerSettings::claims, &ClaimSettings::user>("claims.user", {}, "Claim that names the user; empty: sub, else id."),
    setting<&IssuerSettings::claims, &ClaimSettings::roles>("claims.roles", {}, "Claim that lists the user's roles."),
    setting<&IssuerSettings::claims, &ClaimSettings::tenants>("claims.tenants", {}, "Claim that lists the user's tenants."),
};

#define CORBEL_NO_LLM "this version has no language model gateway; remove it"
#define CORBEL_NO_HOME "this version has no home features; remove it"
#define CORBEL_NO_CLUSTER "this version does not deploy to Kubernetes; remove it"
#define CORBEL_NO_PYTHON "this version has no Python worker; remove it and export the model to ONNX"
constexpr auto kUnavailable = std::to_array<Unavailable>({
    {"OPENAI_API_KEY", CORBEL_NO_LLM}, {"ANTHROPIC_API_KEY", CORBEL_NO_LLM},
    {"MAX_BATCH_SIZE", "this version has no batch predictions; remove it"},
    {"VECTOR_DB_URL", "this version has no knowledge bases; remove it"},
    {"TENSORFLOW_BACKEND", CORBEL_NO_PYTHON}, {"PYTORCH_BACKEND", CORBEL_NO_PYTHON},
    {"KUBECONFIG", CORBEL_NO_CLUSTER}, {"K8S_NAMESPACE", CORBEL_NO_CLUSTER},
    {"HA_URL", CORBEL_NO_HOME}, {"HA_TOKEN", CORBEL_NO_HOME}, {"DATA_API_URL", CORBEL_NO_HOME}, {"ANALYSIS_SCHEDULE", CORBEL_NO_HOME},
});
// clang-format on

bool isShared(const IssuerSettings& issuer) { return issuer.algorithm.starts_with("HS"); }

// A gateway passes on what it does not serve itself; others have nobody who would ask them.
void checkRoles(const ServerSettings& server, std::vector<FieldError>& problems) {
  if (server.roles.empty())
    problems.push_back({"server.roles", "must be all, or at least one role"});
  for (const auto& [role, url] : server.roleUrls) {
    if (role != "models")
      problems.push_back({"server.roleUrls",
                          fmt::format("{} is no role that is passed on; models is", shown(role))});
  }
  if (hasRole(server, "gateway") && !hasRole(server, "models") &&
      !server.roleUrls.contains("models"))
    problems.push_back(
        {"server.roleUrls", "must say where models are, as server.roles leaves them out"});
}

void checkIssuer(const IssuerSettings& issuer, std::size_t index,
                 std::vector<FieldError>& problems) {
  const std::string name = fmt::format("auth.issuers[{}]", index);
  const auto keys = !issuer.keyFile.empty() + !issuer.jwksUrl.empty() + !issuer.jwksFile.empty();
  if (keys != 1)
    problems.push_back({name, "must have exactly one of keyFile, jwksUrl and jwksFile"});
  if (isShared(issuer) && issuer.keyFile.empty()) {
    problems.push_back(
        {name, fmt::format("must have a keyFile with the secret, for {}", issuer.algorithm)});
  }
}

}  // namespace

std::span<const Entry<Settings>> settingTable() { return kSettings; }
std::span<const Entry<IssuerSettings>> issuerTable() { return kIssuer; }
std::span<const Unavailable> unavailableTable() { return kUnavailable; }

void checkTogether(const Settings& settings, std::vector<FieldError>& problems) {
  if (!settings.auth.enabled && !isLoopback(settings.server.host)) {
    problems.push_back(
        {"auth.enabled",
         fmt::format("must be true where server.host is not a loopback address, got {}",
                     shown(settings.server.host))});
  }
  const S3Settings& s3 = settings.s3;
  for (const auto& [name, missing] :
       {std::pair("s3.bucket", s3.bucket.empty()), std::pair("s3.accessKey", s3.accessKey.empty()),
        std::pair("s3.secretKey", s3.secretKey.empty())}) {
    if (!s3.url.empty() && missing) problems.push_back({name, "must be set, as s3.url is"});
  }
  if (settings.cache.tier == "redis" && !redisTarget(settings))
    problems.push_back({"cache.tier", "must not be redis without redis.url or redis.host"});
  checkRoles(settings.server, problems);
  if (!settings.server.roleUrls.empty() && postgresUrl(settings).empty())
    problems.push_back({"store.url",
                        "must be the PostgreSQL that the processes of "
                        "server.roleUrls use, too"});
  if (settings.metrics.port != 0 && settings.metrics.port == settings.server.port) {
    problems.push_back({"metrics.port", "must differ from server.port; 0 serves /metrics there"});
  }
  if (settings.docs.access == "admin" && settings.metrics.port == 0)
    problems.push_back({"docs.access", "must not be admin where metrics.port is 0"});
  const auto& origins = settings.cors.allowedOrigins;
  if (origins.size() > 1 && std::ranges::find(origins, "*") != origins.end())
    problems.push_back({"cors.allowedOrigins", "must be * alone, or origins without it"});
  const TlsSettings& tls = settings.server.tls;
  if (tls.certificateFile.empty() != tls.keyFile.empty()) {
    const bool noKey = tls.keyFile.empty();
    problems.push_back({noKey ? "server.tls.keyFile" : "server.tls.certificateFile",
                        fmt::format("must be set, as {} is",
                                    noKey ? "server.tls.certificateFile" : "server.tls.keyFile")});
  }
  // Its users are the product's; those of an issuer without a name would be mistaken for them.
  for (std::size_t i = 0; !settings.auth.backend.url.empty() && i < settings.auth.issuers.size();
       ++i) {
    if (settings.auth.issuers[i].iss.empty())
      problems.push_back({fmt::format("auth.issuers[{}]", i),
                          "must have an iss, because auth.backend.url is set"});
  }
  for (std::size_t i = 0; i < settings.auth.issuers.size(); ++i)
    checkIssuer(settings.auth.issuers[i], i, problems);
}

}  // namespace corbel::config
