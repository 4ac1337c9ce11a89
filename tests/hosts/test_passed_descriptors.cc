#include <array>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/passed_descriptors.hh"

using namespace pleat;

namespace {

struct Ends {
    FileDescriptor one;
    FileDescriptor other;
};

Ends socket_pair() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return {FileDescriptor{ends[0]}, FileDescriptor{ends[1]}};
}

}  // namespace

TEST_CASE("passed descriptors arrive in their order and are not inherited") {
    const Ends ends = socket_pair();
    std::array<int, 2> pipe{};
    REQUIRE(::pipe2(pipe.data(), O_CLOEXEC) == 0);
    const FileDescriptor reading{pipe[0]};
    FileDescriptor writing{pipe[1]};
    REQUIRE(send_descriptors(ends.one.value(), std::array{writing.value(), reading.value()}));
    writing.close();
    std::vector<FileDescriptor> given = receive_descriptors(ends.other.value());
    REQUIRE(given.size() == 2);
    CHECK(::fcntl(given[0].value(), F_GETFD) == FD_CLOEXEC);
    REQUIRE(::write(given[0].value(), "x", 1) == 1);
    given[0].close();
    std::array<char, 2> read{};
    CHECK(::read(given[1].value(), read.data(), read.size()) == 1);
    CHECK(read[0] == 'x');
    CHECK(::read(given[1].value(), read.data(), read.size()) == 0);
}

TEST_CASE("nothing comes from, or goes to, an end that is gone") {
    Ends ends = socket_pair();
    ends.one.close();
    CHECK(receive_descriptors(ends.other.value()).empty());
    CHECK_FALSE(send_descriptors(ends.other.value(), std::array{0}));
}
