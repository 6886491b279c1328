#include "relay/pieces.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <thread>

namespace corbel::relay {
namespace {

std::string takeOnce(Upload& upload, std::size_t space = 100) {
  std::string buffer(space, '\0');
  const auto taken = upload.take(buffer);
  return taken ? buffer.substr(0, *taken) : "given up";
}

struct Piece {
  explicit Piece(std::string content) : text(std::move(content)) {}
  void sendTo(Upload& upload) {
    upload.append(std::as_bytes(std::span(text)), [this](Result<void>) { ++acknowledged; });
  }
  std::string text;
  int acknowledged = 0;
};

TEST(Upload, AsksForTheNextPieceWhenThisOneWasTaken) {
  Upload upload;
  Piece piece("abcdef");
  piece.sendTo(upload);
  EXPECT_EQ(takeOnce(upload, 4), "abcd");
  EXPECT_EQ(piece.acknowledged, 0);
  EXPECT_EQ(takeOnce(upload, 4), "ef");
  EXPECT_EQ(piece.acknowledged, 1);
}

TEST(Upload, EndsAfterItsLastPiece) {
  Upload upload;
  Piece piece("abc");
  piece.sendTo(upload);
  upload.end();
  EXPECT_EQ(takeOnce(upload), "abc");
  EXPECT_EQ(takeOnce(upload), "");
}

TEST(Upload, IsGivenUpWhenTheClientGoesAway) {
  Upload upload;
  Piece piece("abc");
  piece.sendTo(upload);
  upload.abandon();
  EXPECT_EQ(takeOnce(upload), "given up");
  EXPECT_EQ(piece.acknowledged, 1);
}

TEST(Upload, ThrowsAwayWhatNobodyTakes) {
  Upload upload;
  Piece first("abc");
  Piece second("def");
  first.sendTo(upload);
  upload.ignoreRest();
  EXPECT_EQ(first.acknowledged, 1);
  second.sendTo(upload);
  EXPECT_EQ(second.acknowledged, 1);
}

TEST(Upload, WakesWhoWaitsForAPiece) {
  Upload upload;
  Piece piece("abc");
  std::string taken;
  {
    const std::jthread taker([&] { taken = takeOnce(upload); });
    piece.sendTo(upload);
  }
  EXPECT_EQ(taken, "abc");
}

std::string pullAll(Download& download) {
  std::string out;
  while (download.pull(out, 10) == http::BodySource::Pull::more) {
  }
  return out;
}

TEST(Download, GivesWhatCameAndThenTheEnd) {
  Download download;
  EXPECT_TRUE(download.append("hello "));
  EXPECT_TRUE(download.append("world"));
  EXPECT_EQ(pullAll(download), "hello world");
  std::string out;
  EXPECT_EQ(download.pull(out, 10), http::BodySource::Pull::later);
  download.end(Download::End::complete);
  EXPECT_EQ(download.pull(out, 10), http::BodySource::Pull::end);
}

TEST(Download, ThatWasCutOffDoesNotLookComplete) {
  Download download;
  EXPECT_TRUE(download.append("half"));
  download.end(Download::End::cutOff);
  EXPECT_EQ(pullAll(download), "half");
  std::string out;
  EXPECT_EQ(download.pull(out, 10), http::BodySource::Pull::failed);
}

TEST(Download, HoldsNoMoreThanItsBoundAndAPiece) {
  Download download;
  const std::string piece(Download::kBytes, 'x');
  EXPECT_TRUE(download.append(piece));
  bool accepted = false;
  {
    const std::jthread other([&] { accepted = download.append("y"); });
    std::string out;
    while (out.size() <= piece.size()) {
      if (download.pull(out, piece.size()) == http::BodySource::Pull::later)
        std::this_thread::yield();
    }
    EXPECT_EQ(out.back(), 'y');
  }
  EXPECT_TRUE(accepted);
}

TEST(Download, TellsTheSenderThatTheClientIsGone) {
  Download download;
  EXPECT_TRUE(download.append(std::string(Download::kBytes, 'x')));
  bool accepted = true;
  {
    const std::jthread other([&] { accepted = download.append("y"); });
    download.gone();
  }
  EXPECT_FALSE(accepted);
}

TEST(Download, CallsWhenThereIsMore) {
  Download download;
  int calls = 0;
  download.onReady([&] { ++calls; });
  download.append("a");
  download.end(Download::End::complete);
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace corbel::relay
