// What the database holds of a webhook's secret.
#include <gmock/gmock.h>

#include "events/webhooks.h"
#include "events_fixture.h"
#include "secrets/secrets_migrations.h"

namespace corbel::events {
namespace {

class WebhookSecretsTest : public EventsTest {
 protected:
  WebhookSecretsTest() {
    std::vector<store::Migration> all(migrations().begin(), migrations().end());
    all.insert(all.begin(), secrets::migrations().begin(), secrets::migrations().end());
    mustBe(store::migrateUp(*database, all, clock));
    vault = mustBe(secrets::Vault::open({*database, random, clock, ids},
                                        {.file = folder.path() / "master-key"}, Deadline::never()));
    webhooks = std::make_unique<Webhooks>(
        Webhooks::Parts{*database, outbox, ids, random, clock, *vault}, net::DestinationPolicy{});
  }
  MintedEndpoint make() {
    return mustBe(webhooks->create("acme", {.url = "https://hooks.example.com/in"}, "user:me",
                                   Deadline::never()));
  }
  std::string stored(const std::string& id) {
    return mustBe(database->read(
                      [&](store::Reader& reader) {
                        return reader.query("SELECT secret FROM webhook_endpoints WHERE id = ?", id)
                            .one([](const store::Row& row) { return row.string(0); });
                      },
                      Deadline::never()))
        .value();
  }
  void store(const std::string& id, std::string_view secret) {
    ASSERT_TRUE(database->write(
        [&](store::Transaction& tx) {
          return tx.execute("UPDATE webhook_endpoints SET secret = ? WHERE id = ?", secret, id);
        },
        Deadline::never()));
  }
  std::string unsealed(const Endpoint& endpoint) {
    const auto secret = vault->unseal({.table = "webhook_endpoints",
                                       .column = "secret",
                                       .tenant = endpoint.tenant,
                                       .row = endpoint.id},
                                      stored(endpoint.id), Deadline::never());
    return secret ? std::string(secret->reveal()) : secret.error().detail;
  }

  std::unique_ptr<secrets::Vault> vault;
  std::unique_ptr<Webhooks> webhooks;
};

TEST_F(WebhookSecretsTest, AreSealedInTheDatabase) {
  const auto minted = make();
  EXPECT_TRUE(secrets::Vault::isSealed(stored(minted.endpoint.id)));
  EXPECT_EQ(unsealed(minted.endpoint), minted.secret.reveal());
}

TEST_F(WebhookSecretsTest, OfAnotherRowDoNotOpen) {
  const auto first = make();
  const auto second = make();
  store(first.endpoint.id, stored(second.endpoint.id));
  EXPECT_THAT(unsealed(first.endpoint), testing::HasSubstr("another place"));
}

TEST_F(WebhookSecretsTest, OfAnOlderProgramAreSealedAtTheStart) {
  const auto minted = make();
  store(minted.endpoint.id, minted.secret.reveal());
  EXPECT_EQ(mustBe(webhooks->sealSecrets(Deadline::never())), 1);
  EXPECT_TRUE(secrets::Vault::isSealed(stored(minted.endpoint.id)));
  EXPECT_EQ(unsealed(minted.endpoint), minted.secret.reveal());
  EXPECT_EQ(mustBe(webhooks->sealSecrets(Deadline::never())), 0);
}

TEST_F(WebhookSecretsTest, ThatDoNotOpenFailTheDeliveryAndLoseNoEvent) {
  const auto minted = make();
  store(minted.endpoint.id, secrets::Vault::kMark);
  WebhookSink sink(*webhooks);
  const Event event = outbox.stamped({.type = kWebhookTest,
                                      .tenant = "acme",
                                      .subject = "webhooks/1",
                                      .partitionKey = "1",
                                      .data = "{}"});
  const auto outcomes = sink.publish(minted.endpoint.id, {&event, 1}, Deadline::never());
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].verdict, Verdict::failed);
}

}  // namespace
}  // namespace corbel::events
