#include "s3_signature.h"

#include <gtest/gtest.h>

namespace corbel::objects {
namespace {

// The examples of "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference.
const S3Credentials kExample{.accessKey = "AKIAIOSFODNN7EXAMPLE",
                             .secretKey = Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                             .region = "us-east-1"};
const Timestamp kThen = std::chrono::sys_days(std::chrono::year(2013) / 5 / 24);

std::string signatureOf(const S3Request& request) {
  const S3Fields headers = signedHeaders(kExample, request, kThen);
  const std::string& authorization = headers.back().second;
  return authorization.substr(authorization.rfind('=') + 1);
}

TEST(S3Signature, OfARequestIsThePublishedOne) {
  S3Request get{.method = "GET",
                .host = "examplebucket.s3.amazonaws.com",
                .path = "/test.txt",
                .headers = {{"range", "bytes=0-9"}},
                .payloadHash = std::string(kEmptyPayload)};
  EXPECT_EQ(signatureOf(get), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  get.path = "/";
  get.headers = {};
  get.query = {{"lifecycle", ""}};
  EXPECT_EQ(signatureOf(get), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  get.query = {{"prefix", "J"}, {"max-keys", "2"}};
  EXPECT_EQ(signatureOf(get), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(S3Signature, OfAUrlIsThePublishedOne) {
  const S3Request get{.method = "GET",
                      .host = "examplebucket.s3.amazonaws.com",
                      .path = "/test.txt",
                      .payloadHash = ""};
  EXPECT_EQ(presignedQuery(kExample, get, std::chrono::seconds(86'400), kThen),
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F"
            "us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&"
            "X-Amz-SignedHeaders=host&X-Amz-Signature="
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

}  // namespace
}  // namespace corbel::objects
