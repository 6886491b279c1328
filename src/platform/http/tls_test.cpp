// TLS as real clients speak it: OpenSSL's own, and curl's.
#include "tls.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "loopback.h"

namespace corbel::http {
namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

// A folder with certificates, which the openssl program makes.
class Certificates {
 public:
  Certificates() {
    std::string name = testing::TempDir() + "corbel-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    make("one");
  }
  ~Certificates() { std::filesystem::remove_all(folder_); }
  void make(const std::string& name) const {
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "
        "/CN=" +
        name + " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout " + path(name + ".key") +
        " -out " + path(name + ".crt") + " 2>&1");
  }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  TlsFiles files(const std::string& name = "one") const {
    return {path(name + ".crt"), path(name + ".key")};
  }

  // What `command` prints.
  static std::string run(const std::string& command) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::array<std::string, 3> words{"sh", "-c", command};
    std::array<char*, 4> arguments{words[0].data(), words[1].data(), words[2].data(), nullptr};
    pid_t child = 0;
    EXPECT_EQ(posix_spawnp(&child, "sh", &actions, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    std::string text;
    std::array<char, 4096> part{};
    for (ssize_t count = 0; (count = read(ends[0], part.data(), part.size())) > 0;)
      text.append(part.data(), static_cast<std::size_t>(count));
    close(ends[0]);
    waitpid(child, nullptr, 0);
    return text;
  }

 private:
  std::string folder_;
};

template <class TimeSource>
class TlsTestWith : public ServerTestWith<TimeSource> {
 protected:
  TlsTestWith() { this->options.endpoints = {{.port = 0, .tls = certificates.files()}}; }
  ~TlsTestWith() override { this->stop(); }
  std::string curl(const std::string& more) {
    return Certificates::run(
        "curl -sS --max-time 20 --cacert " + certificates.path("one.crt") + " " + more +
        " https://127.0.0.1:" + std::to_string(this->server().port()) + "/p 2>&1");
  }
  // What the openssl client says about its handshake, after it has sent `input`.
  std::string handshake(const std::string& more, const std::string& input = "") {
    return Certificates::run("printf '" + input +
                             "' | timeout 20 openssl s_client -connect 127.0.0.1:" +
                             std::to_string(this->server().port()) + " " + more + " 2>&1");
  }
  Certificates certificates;
};
using TlsTest = TlsTestWith<SystemClock>;
using TlsTimeoutTest = TlsTestWith<ManualClock>;

TEST_F(TlsTest, AnswersARealClient) {
  EXPECT_EQ(curl(""), "GET /p ");
  EXPECT_EQ(curl("--data hello --tlsv1.3"), "POST /p hello");
  EXPECT_EQ(curl("--data hello --tls-max 1.2"), "POST /p hello");
}

TEST_F(TlsTest, CarriesLongBodiesAndManyRequestsOfOneConnection) {
  std::ofstream(certificates.path("long")) << std::string(1'000'000, 'x');
  const std::string url = "https://127.0.0.1:" + std::to_string(server().port()) + "/p";
  EXPECT_EQ(curl("--data-binary @" + certificates.path("long") + " " + url +
                 " -o /dev/null -o /dev/null -w '%{http_code} %{size_download} %{num_connects},'"),
            "200 1000008 1,200 1000008 0,");
}

TEST_F(TlsTest, SendsAPartOfAFile) {
  std::ofstream(certificates.path("file")) << "0123456789" << std::string(100'000, 'x') << "end";
  service.body = [&](const auto& exchange) {
    const int file = ::open(certificates.path("file").c_str(), O_RDONLY | O_CLOEXEC);
    Response response;
    response.body = FileRange(file, 5, 100'008);
    exchange->complete(std::move(response));
  };
  EXPECT_EQ(curl(""), "56789" + std::string(100'000, 'x') + "end");
}

TEST_F(TlsTest, SaysThatItWantsTlsFromNowOn) {
  EXPECT_NE(curl("-D - -o /dev/null").find("Strict-Transport-Security: max-age=31536000"),
            std::string::npos);
}

TEST_F(TlsTest, TellsTheServiceThatItIsUsed) {
  service.body = [](const auto& exchange) {
    exchange->complete(text(exchange->head().peer.tls ? "tls" : "plain"));
  };
  EXPECT_EQ(curl(""), "tls");
}

TEST_F(TlsTest, SpeaksNoOldVersionAndNoWeakCipher) {
  EXPECT_NE(handshake("-tls1_3").find("TLSv1.3"), std::string::npos);
  EXPECT_NE(handshake("-tls1_2").find("ECDHE-ECDSA-"), std::string::npos);
  EXPECT_NE(handshake("-tls1_1 -cipher DEFAULT@SECLEVEL=0").find("Cipher is (NONE)"),
            std::string::npos);
  EXPECT_NE(handshake("-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256").find("Cipher is (NONE)"),
            std::string::npos);
  EXPECT_NE(handshake("-tls1_2").find("Compression: NONE"), std::string::npos);
}

TEST_F(TlsTest, AnswersNoRenegotiation) {
  const std::string said = handshake("-tls1_2", "R\\n");
  EXPECT_NE(said.find("no renegotiation"), std::string::npos) << said;
}

TEST_F(TlsTest, AgreesOnHttp11AndOnNothingElse) {
  EXPECT_NE(handshake("-alpn h2,http/1.1").find("ALPN protocol: http/1.1"), std::string::npos);
  EXPECT_NE(handshake("-alpn ftp").find("alert no application protocol"), std::string::npos);
}

TEST_F(TlsTest, ResumesASession) {
  const std::string session = certificates.path("session");
  handshake("-tls1_2 -sess_out " + session);
  EXPECT_NE(handshake("-tls1_2 -sess_in " + session).find("Reused, TLSv1.2"), std::string::npos);
}

TEST_F(TlsTest, TellsAClientWithoutTls) {
  Client client = connect();
  const Received received = client.ask(kGet);
  EXPECT_EQ(received.status, 400);
  EXPECT_EQ(received.body, "This port speaks TLS. Use https:// to ask it.");
  EXPECT_TRUE(client.closedByServer());
}

TEST_F(TlsTest, TakesReplacedFilesForNewConnections) {
  EXPECT_NE(handshake("").find("CN = one"), std::string::npos);
  EXPECT_EQ(*server().refreshCertificates(), false);
  certificates.make("two");
  std::filesystem::rename(certificates.path("two.crt"), certificates.path("one.crt"));
  const auto half = server().refreshCertificates();
  ASSERT_FALSE(half);
  EXPECT_EQ(half.error().message, "keyFile: " + certificates.path("one.key") +
                                      " must hold the key of the certificate in certificateFile");
  EXPECT_NE(handshake("").find("CN = one"), std::string::npos);
  std::filesystem::rename(certificates.path("two.key"), certificates.path("one.key"));
  EXPECT_EQ(*server().refreshCertificates(), true);
  EXPECT_NE(handshake("").find("CN = two"), std::string::npos);
}

TEST(TlsFilesTest, AreRefusedWithTheirName) {
  const Certificates certificates;
  certificates.make("two");
  std::ofstream(certificates.path("garbage")) << "not PEM";
  const auto complaint = [&](const std::string& certificate, const std::string& key) {
    const auto loaded = TlsContext::load({certificates.path(certificate), certificates.path(key)});
    return loaded ? "loaded"
                  : loaded.error().message.substr(0, loaded.error().message.find('/')) +
                        loaded.error().message.substr(loaded.error().message.find(' ', 20) + 1);
  };
  EXPECT_EQ(complaint("one.crt", "one.key"), "loaded");
  EXPECT_EQ(complaint("missing", "one.key"),
            "certificateFile: cannot be read; it must be a PEM file that this process may read");
  EXPECT_EQ(complaint("garbage", "one.key"),
            "certificateFile: must hold the certificate, and behind it those that signed it, in "
            "PEM form");
  EXPECT_EQ(complaint("one.crt", "garbage"),
            "keyFile: must hold a private key without passphrase, in PEM form");
  EXPECT_EQ(complaint("one.crt", "two.key"),
            "keyFile: must hold the key of the certificate in certificateFile");
}

TEST_F(TlsTimeoutTest, CutsAHandshakeThatIsNotCompleteInTime) {
  Client client = connect();
  ASSERT_TRUE(client.send("\x16\x03\x01\x02"));  // a record begins
  Client other = connect();
  ASSERT_TRUE(other.send(kGet) && other.read().status == 400);  // so the server has read both
  clock.advance(std::chrono::seconds(10));
  EXPECT_TRUE(client.closedByServer());
}

}  // namespace
}  // namespace corbel::http
