#include "events/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "events/events_fixture.h"
#include "events/sink_lease.h"

namespace corbel::events {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

class CourierTest : public EventsTest {
 protected:
  // Rounds until nothing is due at once.
  void run() {
    while (courier.round() <= clock.steady()) {
    }
  }
  void add(const std::string& key, const std::string& subject) {
    ASSERT_TRUE(append(outbox, key, subject));
  }
  // Until the sink was tried again, however long the jitter takes.
  void runAfterBackOff() {
    clock.advance(seconds(5));
    run();
  }
  // What a process that starts anew finds.
  void restart() {
    courier.~Courier();
    new (&courier) Courier(dispatchParts(), sink);
  }

  FakeSink sink;
  Courier courier{dispatchParts(), sink};
};

TEST_F(EventsTest, AnEventExistsExactlyWhenItsEffectDoes) {
  const auto undone = database->write(
      [&](store::Transaction& tx) -> Result<void> {
        const NewEvent event{kModelChanged, "acme", "models/1", "1", "{}"};
        CORBEL_CHECK(outbox.append(tx, event));
        return fail(ErrorCode::aborted, "the effect did not happen");
      },
      Deadline::never());
  EXPECT_FALSE(undone);
  EXPECT_EQ(rows(outbox), 0);
  ASSERT_TRUE(append(outbox, "1", "models/1"));
  EXPECT_EQ(rows(outbox), 1);
}

TEST_F(EventsTest, NothingIsKeptWhereNobodyListens) {
  const Outbox deaf({*database, ids, clock}, "/corbel", {}, {});
  ASSERT_TRUE(append(deaf, "1", "models/1"));
  EXPECT_EQ(rows(deaf), 0);
}

TEST_F(EventsTest, AtTheBoundTheEffectFailsAndSaysWhy) {
  const Outbox small({*database, ids, clock}, "/corbel", {"fake"}, {.rows = 2});
  ASSERT_TRUE(append(small, "1", "a"));
  ASSERT_TRUE(append(small, "1", "b"));
  const auto refused = append(small, "1", "c");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::insufficientStorage);
  EXPECT_THAT(refused.error().message, HasSubstr("outbox"));
  EXPECT_EQ(rows(small), 2);
  const Outbox narrow({*database, ids, clock}, "/corbel", {"fake"}, {.rows = 100, .bytes = 1'000});
  EXPECT_EQ(append(narrow, "1", "d", "{\"x\": \"" + std::string(500, 'x') + "\"}").error().code,
            ErrorCode::insufficientStorage);
  EXPECT_EQ(append(outbox, "1", "e", std::string(kDataBytes + 1, ' ')).error().code,
            ErrorCode::unprocessable);
}

TEST_F(EventsTest, SinksThatAreNotConfiguredAnyMoreAreForgotten) {
  ASSERT_TRUE(append(outbox, "1", "a"));
  const Outbox other({*database, ids, clock}, "/corbel", {"another"}, {});
  EXPECT_EQ(other.forgetOtherSinks(Deadline::never()), 1);
  EXPECT_EQ(rows(other), 0);
}

TEST_F(EventsTest, ManyEventsOfASinkThatIsGoneAreForgottenInParts) {
  constexpr int kMany = 2'100;
  const Outbox both({*database, ids, clock}, "/corbel", {"fake", "gone"}, {});
  ASSERT_TRUE(database->write(
      [&](store::Transaction& tx) -> Result<void> {
        for (int i = 0; i < kMany; ++i)
          CORBEL_CHECK(both.append(tx, {kModelChanged, "acme", "models/1", "1", "{}"}));
        return {};
      },
      Deadline::never()));
  EXPECT_EQ(outbox.forgetOtherSinks(Deadline::never()), kMany);
  EXPECT_EQ(rows(outbox), kMany) << "the other sink waits for them";
  const Outbox other({*database, ids, clock}, "/corbel", {}, {});
  const auto before = database->stats().unitsCommitted;
  EXPECT_EQ(other.forgetOtherSinks(Deadline::never()), kMany);
  EXPECT_GE(database->stats().unitsCommitted - before, 3u);
  const Pending left = mustBe(other.pending(Deadline::never()));
  EXPECT_EQ(left.rows, 0);
  EXPECT_EQ(left.bytes, 0);
}

TEST_F(EventsTest, ThePendingBytesGoBackToNothing) {
  ASSERT_TRUE(append(outbox, "1", "a", "{\"x\": 1}"));
  EXPECT_GT(mustBe(outbox.pending(Deadline::never())).bytes, 8);
  FakeSink sink;
  Courier(dispatchParts(), sink).round();
  EXPECT_EQ(mustBe(outbox.pending(Deadline::never())).bytes, 0);
}

TEST(CloudEvent, HasTheAttributesOfVersionOne) {
  const Event event{.id = "0190",
                    .source = "/corbel",
                    .type = "corbel.model.created",
                    .subject = "models/7",
                    .time = Timestamp(milliseconds(1767225600000)),
                    .tenant = "acme",
                    .partitionKey = "7",
                    .data = toData({{"name", "a\"b"}, {"version", 3}, {"previous", {}}})};
  EXPECT_EQ(toCloudEvent(event),
            R"({"specversion": "1.0", "id": "0190", "source": "/corbel", )"
            R"("type": "corbel.model.created", "subject": "models/7", )"
            R"("time": "2026-01-01T00:00:00.000Z", "tenant": "acme", "partitionkey": "7", )"
            R"("datacontenttype": "application/json", )"
            R"("data": {"name": "a\"b", "version": 3, "previous": null}})");
}

TEST_F(CourierTest, DeliversInTheOrderOfEachKey) {
  for (int i = 0; i < 5; ++i) {
    add("one", "a" + std::to_string(i));
    add("two", "b" + std::to_string(i));
  }
  run();
  EXPECT_THAT(sink.subjects("one"), ElementsAre("a0", "a1", "a2", "a3", "a4"));
  EXPECT_THAT(sink.subjects("two"), ElementsAre("b0", "b1", "b2", "b3", "b4"));
  EXPECT_EQ(rows(outbox), 0);
}

TEST_F(CourierTest, AFailureKeepsLaterEventsOfItsKeyBack) {
  sink.failing = {"a0"};
  add("one", "a0");
  add("one", "a1");
  add("two", "b0");
  run();
  EXPECT_THAT(sink.subjects("one"), ElementsAre());
  EXPECT_THAT(sink.subjects("two"), ElementsAre("b0"));
  sink.failing.clear();
  runAfterBackOff();
  EXPECT_THAT(sink.subjects("one"), ElementsAre("a0", "a1"));
}

TEST_F(CourierTest, AProcessThatEndsBeforeTheRowIsRemovedDeliversAgainAndLosesNothing) {
  add("one", "a0");
  add("one", "a1");
  {
    // The store cannot be written when the acknowledgement comes.
    struct Ends final : EventSink {
      explicit Ends(FakeSink& to) : inner(to) {}
      std::string_view name() const override { return "fake"; }
      std::vector<Outcome> publish(std::string_view target, std::span<const Event> events,
                                   Deadline deadline) override {
        inner.publish(target, events, deadline);
        return {};
      }
      FakeSink& inner;
    } ends(sink);
    Courier(dispatchParts(), ends).round();
  }
  EXPECT_THAT(sink.subjects("one"), ElementsAre("a0"));
  restart();
  run();
  EXPECT_THAT(sink.subjects("one"), ElementsAre("a0", "a0", "a1"));
  EXPECT_EQ(sink.received[0].id, sink.received[1].id);
  EXPECT_EQ(rows(outbox), 0);
}

// A second process that looks whenever the first one publishes.
class LooksMeanwhile final : public EventSink {
 public:
  explicit LooksMeanwhile(FakeSink& to) : inner_(to) {}
  std::string_view name() const override { return "fake"; }
  std::vector<Outcome> publish(std::string_view target, std::span<const Event> events,
                               Deadline deadline) override {
    meanwhile();
    return inner_.publish(target, events, deadline);
  }
  std::function<void()> meanwhile;

 private:
  FakeSink& inner_;
};

TEST_F(CourierTest, OfTwoProcessesOneDelivers) {
  LooksMeanwhile looks(sink);
  Courier first(dispatchParts(), looks);
  looks.meanwhile = [&] { courier.round(); };
  add("one", "a0");
  add("one", "a1");
  first.round();
  EXPECT_THAT(sink.subjects("one"), ElementsAre("a0", "a1"));
  add("one", "a2");
  courier.round();
  EXPECT_EQ(rows(outbox), 1) << "the first one is still there";
}

TEST_F(CourierTest, AnotherProcessGoesOnWhereOneHasEnded) {
  auto first = std::make_unique<Courier>(dispatchParts(), sink);
  add("one", "a0");
  first->round();
  add("one", "a1");
  run();
  EXPECT_THAT(sink.subjects("one"), ElementsAre("a0"));
  clock.advance(SinkLease::kLength);
  run();
  EXPECT_THAT(sink.subjects("one"), ElementsAre("a0", "a1")) << "the first one has said nothing";
  add("one", "a2");
  first->round();
  EXPECT_EQ(rows(outbox), 1);
  restart();
  first->round();
  EXPECT_THAT(sink.subjects("one"), ElementsAre("a0", "a1", "a2")) << "given back at once";
}

TEST_F(CourierTest, NoWaveBeginsThatWouldOutlastTheLease) {
  LooksMeanwhile slow(sink);
  Courier first(dispatchParts(), slow);
  slow.meanwhile = [&] { clock.advance(seconds(5)); };
  for (int i = 0; i < 5; ++i) add("one", "a" + std::to_string(i));
  first.round();
  EXPECT_LT(sink.calls, 3);
  while (first.round() <= clock.steady()) {
  }
  EXPECT_THAT(sink.subjects("one"), ElementsAre("a0", "a1", "a2", "a3", "a4"));
}

// Some of its targets never answer.
class HangingSink final : public EventSink {
 public:
  explicit HangingSink(ManualClock& clock) : clock_(clock) {}
  std::string_view name() const override { return "hanging"; }
  Result<std::vector<std::string>> targets(Deadline) override {
    return std::vector<std::string>{"a", "b", "quick"};
  }
  std::vector<Outcome> publish(std::string_view target, std::span<const Event>, Deadline) override {
    asked.emplace_back(target);
    if (target == "quick") return {{Verdict::delivered}};
    clock_.advance(Courier::kPublish);
    return {{Verdict::failed, "no answer"}};
  }
  std::vector<std::string> asked;

 private:
  ManualClock& clock_;
};

TEST_F(CourierTest, TargetsThatHangHoldTheOthersUpOneAtATime) {
  HangingSink hanging(clock);
  Courier lane(dispatchParts(), hanging);
  const auto addFor = [&](std::string_view target) {
    ASSERT_TRUE(database->write(
        [&](store::Transaction& tx) {
          return outbox.appendFor(tx,
                                  outbox.stamped({kModelChanged, "acme", "models/1", "1", "{}"}),
                                  "hanging", target);
        },
        Deadline::never()));
  };
  for (const std::string_view target : {"a", "b", "quick"}) addFor(target);
  while (hanging.asked.size() < 3) lane.round();
  addFor("quick");
  clock.advance(seconds(10));
  hanging.asked.clear();
  EXPECT_LE(lane.round(), clock.steady()) << "somebody is still to be asked";
  EXPECT_THAT(hanging.asked, ElementsAre("quick", testing::AnyOf("a", "b")));
}

TEST_F(CourierTest, BeginsNoOtherWaveWhenItIsStopped) {
  struct Stops final : EventSink {
    explicit Stops(FakeSink& to) : inner(to) {}
    std::string_view name() const override { return "fake"; }
    std::vector<Outcome> publish(std::string_view target, std::span<const Event> events,
                                 Deadline deadline) override {
      courier->stop();
      return inner.publish(target, events, deadline);
    }
    FakeSink& inner;
    Courier* courier = nullptr;
  } stops(sink);
  Courier stopped(dispatchParts(), stops);
  stops.courier = &stopped;
  add("one", "a0");
  add("one", "a1");
  stopped.round();
  EXPECT_THAT(sink.subjects("one"), ElementsAre("a0"));
  EXPECT_EQ(rows(outbox), 1) << "what was delivered is not delivered again";
}

TEST_F(CourierTest, ASinkThatIsAwayForHoursLosesNothingAndIsNotHammered) {
  sink.away = true;
  for (int i = 0; i < 210; ++i) add(std::to_string(i % 7), std::to_string(i));
  run();
  for (int i = 0; i < 3600; ++i) {
    clock.advance(seconds(1));
    run();
  }
  // Waits are 2.5 s on average, 0.2 s at first; a wave is one event.
  EXPECT_LT(sink.calls, 3600);
  EXPECT_GE(courier.status().failures, Courier::kBreakerFailures);
  EXPECT_EQ(courier.status().lastError, "away");
  EXPECT_EQ(courier.status().pending, 210);
  EXPECT_GE(courier.status().lag, seconds(3590));
  sink.away = false;
  runAfterBackOff();
  ASSERT_EQ(sink.received.size(), 210u);
  for (int key = 0; key < 7; ++key) {
    int expected = key;
    for (const std::string& subject : sink.subjects(std::to_string(key))) {
      EXPECT_EQ(subject, std::to_string(expected));
      expected += 7;
    }
  }
  EXPECT_EQ(rows(outbox), 0);
  EXPECT_EQ(courier.status().failures, 0);
}

// What a change every 50 ms does to the outbox while the broker is away for ten minutes.
class AwayForTenMinutes : public CourierTest {
 protected:
  static constexpr int kSeconds = 600;
  static constexpr int kEachSecond = 20;
  static constexpr int kKeys = 8;

  // A change as features make it: all events of one are there, or none.
  bool change(const Outbox& to, int first) {
    const auto written = database->write(
        [&](store::Transaction& tx) -> Result<void> {
          for (int i = first; i < first + kEachSecond; ++i) {
            CORBEL_CHECK(to.append(tx, {.type = kModelChanged,
                                        .tenant = "acme",
                                        .subject = std::to_string(i),
                                        .partitionKey = std::to_string(i % kKeys),
                                        .data = "{}"}));
          }
          return {};
        },
        Deadline::never());
    return written.has_value();
  }
  // How many events were written, of those that were tried.
  std::vector<int> load(const Outbox& to) {
    std::vector<int> written;
    sink.away = true;
    for (int second = 0; second < kSeconds; ++second) {
      if (change(to, second * kEachSecond)) {
        for (int i = 0; i < kEachSecond; ++i) written.push_back(second * kEachSecond + i);
      }
      clock.advance(seconds(1));
      run();
    }
    sink.away = false;
    runAfterBackOff();
    return written;
  }
  void expectEachOnceInOrder(const std::vector<int>& written) {
    ASSERT_EQ(sink.received.size(), written.size());
    for (int key = 0; key < kKeys; ++key) {
      std::vector<std::string> expected;
      for (const int number : written) {
        if (number % kKeys == key) expected.push_back(std::to_string(number));
      }
      EXPECT_EQ(sink.subjects(std::to_string(key)), expected);
    }
    EXPECT_EQ(rows(outbox), 0);
  }
};

TEST_F(AwayForTenMinutes, EveryEventComesAfterwardsInTheOrderOfItsKey) {
  const auto written = load(outbox);
  EXPECT_EQ(written.size(), static_cast<std::size_t>(kSeconds * kEachSecond));
  expectEachOnceInOrder(written);
}

TEST_F(AwayForTenMinutes, BeyondTheBoundChangesAreRefusedAndWhatWasWrittenComes) {
  constexpr std::int64_t kBound = 5'000;
  const Outbox bounded({*database, ids, clock}, "/corbel", {"fake"}, {.rows = kBound});
  const auto written = load(bounded);
  EXPECT_EQ(written.size(), static_cast<std::size_t>(kBound));
  expectEachOnceInOrder(written);
}

TEST_F(CourierTest, ARowStaysUntilEverySinkHasAcknowledged) {
  const Outbox both({*database, ids, clock}, "/corbel", {"fake", "other"}, {});
  ASSERT_TRUE(append(both, "1", "a"));
  run();
  EXPECT_EQ(sink.received.size(), 1u);
  EXPECT_EQ(rows(both), 1);
}

TEST_F(CourierTest, WhatTheSinkRefusesForGoodBecomesADeadLetterAndTheRestGoesOn) {
  sink.refusing = {"a0"};
  add("one", "a0");
  add("one", "a1");
  run();
  EXPECT_THAT(sink.subjects("one"), ElementsAre("a1"));
  EXPECT_EQ(rows(outbox), 0);
  const auto dead = database->read(
      [](store::Reader& reader) {
        return reader.query("SELECT subject, reason FROM event_dead_letters")
            .all([](const store::Row& row) { return row.string(0) + " " + row.string(1); });
      },
      Deadline::never());
  EXPECT_THAT(*dead, ElementsAre("a0 never"));
}

TEST_F(EventsTest, AfterTheLastAttemptAnEventIsADeadLetter) {
  FakeSink sink({.firstWait = seconds(1), .longestWait = seconds(2), .attemptsMax = 3});
  Courier courier(dispatchParts(), sink);
  sink.away = true;
  ASSERT_TRUE(append(outbox, "1", "a"));
  for (int i = 0; i < 20; ++i) {
    courier.round();
    clock.advance(seconds(2));
  }
  EXPECT_EQ(sink.calls, 3);
  EXPECT_EQ(rows(outbox), 0);
}

TEST_F(EventsTest, TheThreadDeliversWhenItIsWokenAndEndsWhenItIsStopped) {
  const SystemClock real;
  FakeSink sink;
  const DispatchParts parts{*database, ids, random, real, metrics};
  Dispatcher dispatcher(parts, sink);
  ASSERT_TRUE(append(outbox, "1", "a"));
  dispatcher.wake();
  const Deadline patience = Deadline::after(real, seconds(10));
  while (rows(outbox) > 0 && !patience.expired(real)) std::this_thread::yield();
  EXPECT_EQ(rows(outbox), 0);
  EXPECT_TRUE(dispatcher.stop(patience));
}

}  // namespace
}  // namespace corbel::events
