#include "tests/system/greeter.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/error.hh"

namespace pleat::system_test {
namespace {

sockaddr* as_socket_address(sockaddr_in* address) {
    return reinterpret_cast<sockaddr*>(address);
}

}  // namespace

Greeter::Greeter()
    : socket_{check("cannot make a socket", ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))} {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check("cannot bind", ::bind(socket_.value(), as_socket_address(&address), sizeof address));
    check("cannot listen", ::listen(socket_.value(), 8));
    socklen_t size = sizeof address;
    check("cannot ask for the port",
          ::getsockname(socket_.value(), as_socket_address(&address), &size));
    port_ = ntohs(address.sin_port);
    thread_ = std::thread{[this] { serve(); }};
}

Greeter::~Greeter() {
    ::shutdown(socket_.value(), SHUT_RDWR);
    thread_.join();
}

void Greeter::serve() const {
    while (true) {
        const FileDescriptor client{::accept4(socket_.value(), nullptr, nullptr, SOCK_CLOEXEC)};
        if (!client.open()) return;
        const std::string_view greeting = "hello from outside\n";
        static_cast<void>(!::send(client.value(), greeting.data(), greeting.size(), MSG_NOSIGNAL));
    }
}

}  // namespace pleat::system_test
