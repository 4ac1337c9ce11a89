// HostMember: one host of a fleet: its keeper, the conversation with it and what the node
// waits for. The rules of the conversation are in node/keeper/protocol.hh.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "model/scenario.hh"
#include "node/hosts/host_fleet.hh"
#include "node/hosts/host_program.hh"
#include "node/hosts/keeper_process.hh"
#include "node/keeper/channel.hh"

namespace pleat {

// What a member tells its fleet; all are called from the loop.
struct MemberEvents {
    std::function<void(const HostReport&)> report;
    std::function<void()> stopped;  // the last process but the keeper has ended
    std::function<void()> gone;     // the keeper has ended, told or not
};

class HostMember {
  public:
    HostMember(boost::asio::io_context& loop, HostId id, Application application, HostFacts facts,
               std::unique_ptr<KeeperProcess> keeper, MemberEvents events);
    ~HostMember();
    HostMember(const HostMember&) = delete;
    HostMember& operator=(const HostMember&) = delete;

    HostId id() const { return id_; }

    const std::string& name() const { return facts_.name; }

    const Application& application() const { return application_; }

    const KeeperProcess& keeper() const { return *keeper_; }

    // Before the loop runs: nothing until the keeper has answered the Setup. Throws
    // Failure when it says that it can't, or is gone.
    std::optional<FileDescriptor> answer_to_setup();

    // Of a host that ran before we were there, with a `ready` deadline that begins anew.
    void resume(const keeper::Up& up, const FleetOptions& options);

    // From here on it is heard from the loop.
    void listen();

    void send(const keeper::Request& request, int descriptor = -1);

    void start(const FleetOptions& options);
    void stop(Duration grace);
    void signal(int number);
    void execute(std::uint32_t token, const std::vector<std::string>& arguments);
    void end();

    bool running() const { return state_ != State::idle; }

    bool gone() const { return gone_; }

    bool stopping() const { return stopping_; }

  private:
    // Of the application.
    enum class State : std::uint8_t { idle, starting, unready, ready };

    void await_channel();
    void await_end();
    void read_channel();
    void handle(const keeper::Report& report);
    void await_ready();
    void keeper_ended();
    // Gives the host up: its HostLost will say this.
    void lose(std::string reason);
    void not_started(Instant at, const std::string& problem);
    // Reports it in the loop's next turn, never from within a call of the fleet's.
    void report_later(HostReport report);
    void arm(Duration patience, std::function<void()> expired);

    boost::asio::io_context& loop_;
    HostId id_;
    Application application_;
    HostFacts facts_;
    std::unique_ptr<KeeperProcess> keeper_;
    MemberEvents events_;
    boost::asio::posix::stream_descriptor channel_;
    boost::asio::posix::stream_descriptor end_;
    boost::asio::steady_timer timer_;
    State state_ = State::idle;
    Duration ready_deadline_{};
    Duration keeper_deadline_{};
    bool stopping_ = false;
    bool told_to_end_ = false;
    bool gone_ = false;
    std::string given_up_;  // why we have killed the application ourselves
    std::string lost_;      // why we have killed the keeper ourselves
    std::shared_ptr<int> alive_ = std::make_shared<int>();
};

// "30 s", "200 ms".
std::string seconds_text(Duration d);

}  // namespace pleat
