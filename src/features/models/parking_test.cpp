#include "models/parking.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>

namespace corbel::models {
namespace {

using Turn = Parking::Turn;

Deadline now() { return Deadline::at(std::chrono::steady_clock::now()); }

TEST(Parking, ResumesEverybodyOnceWhenTheVersionIsLoaded) {
  Parking parking(10);
  int resumed = 0;
  EXPECT_EQ(parking.enter("v", Deadline::never(), [&] { ++resumed; }), Turn::load);
  EXPECT_EQ(parking.enter("v", Deadline::never(), [&] { ++resumed; }), Turn::parked);
  EXPECT_EQ(parking.enter("v", Deadline::never(), [&] { ++resumed; }), Turn::parked);
  EXPECT_EQ(parking.enter("other", Deadline::never(), [&] { ++resumed; }), Turn::load);
  parking.loaded("other");
  EXPECT_EQ(resumed, 0);
  parking.loaded("v");
  EXPECT_EQ(resumed, 2);
  EXPECT_EQ(parking.enter("v", Deadline::never(), [&] { ++resumed; }), Turn::load);
  parking.loaded("v");
  EXPECT_EQ(resumed, 2);
}

TEST(Parking, ResumesAtTheDeadlineWhileTheVersionIsStillLoading) {
  Parking parking(10);
  std::latch late(1);
  std::atomic<int> resumed = 0;
  parking.enter("v", Deadline::never(), [] {});
  parking.enter("v", Deadline::never(), [&] { ++resumed; });
  EXPECT_EQ(parking.enter("v", now(), [&] { late.count_down(); }), Turn::parked);
  late.wait();
  EXPECT_EQ(resumed, 0);
  parking.loaded("v");
  EXPECT_EQ(resumed, 1);
}

TEST(Parking, RefusesMoreThanItsBound) {
  Parking parking(1);
  parking.enter("v", Deadline::never(), [] {});
  EXPECT_EQ(parking.enter("v", Deadline::never(), [] {}), Turn::parked);
  EXPECT_EQ(parking.enter("v", Deadline::never(), [] {}), Turn::refused);
  parking.loaded("v");
  parking.enter("v", Deadline::never(), [] {});
  EXPECT_EQ(parking.enter("v", Deadline::never(), [] {}), Turn::parked);
}

TEST(Parking, DestroysWhatIsParkedWhenItStops) {
  Parking parking(10);
  auto token = std::make_shared<int>(0);
  const std::weak_ptr<int> held = token;
  parking.enter("v", Deadline::never(), [] {});
  parking.enter("v", Deadline::never(), [moved = std::move(token)] { FAIL() << "resumed"; });
  parking.stop();
  EXPECT_TRUE(held.expired());
  EXPECT_EQ(parking.enter("v", Deadline::never(), [] {}), Turn::refused);
  parking.loaded("v");
}

}  // namespace
}  // namespace corbel::models
