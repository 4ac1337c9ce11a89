// Keeper: the first process of a host's PID namespace. It makes the host, starts and ends
// its processes and reaps them, and outlives the node for a while. The states and rules
// are in protocol.hh.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/clock.hh"
#include "base/file_descriptor.hh"
#include "node/keeper/channel.hh"
#include "node/keeper/host_processes.hh"
#include "node/keeper/listening.hh"
#include "node/keeper/protocol.hh"

namespace pleat::keeper {

class Keeper {
  public:
    // `mark` is what a Hello must say.
    Keeper(FileDescriptor node, std::string mark, Reach reach);

    // Until the host ends; returns the exit code. Whatever of the host still runs dies when this
    // process does.
    int run();

  private:
    // What we wait for, in the order of poll()'s list.
    struct Awaited {
        bool signals = false;
        bool node = false;
        bool listener = false;
        bool caller = false;
    };

    Awaited wait() const;
    std::optional<Instant> next_deadline() const;

    void read_signals();
    void read_node();
    void accept_callers();
    void read_caller();
    void keep_deadlines(Instant now);

    void handle(const Setup& setup);
    void handle(const Start& start);
    void handle(const Execute& execute);
    void handle(const Signal& signal);
    void handle(const Stop& stop);
    void handle(const End& end);
    void handle(const Hello& hello);
    void handle(const Hold& hold);

    void make_interface(const Setup& setup);
    void take_network_namespace();
    void undo_interface() const;
    void listen(const std::string& path);
    void attach(FileDescriptor node, bool takes_over);
    void lose_node();
    void reap();
    void report(const Report& report);
    void send_backlog();
    bool is_ready() const;

    FileDescriptor node_;    // empty: orphan
    FileDescriptor caller_;  // connected, has not said Hello
    FileDescriptor listener_;
    FileDescriptor signals_;
    FileDescriptor port_;  // what an Up brings: the TUN, or the network namespace
    std::string mark_;
    Reach reach_;
    std::string notes_;
    std::string socket_path_;
    std::string runtime_directory_;
    Duration grace_{};
    bool set_up_ = false;
    bool ending_ = false;
    bool abandoned_ = false;  // it ends because no node came
    int exit_code_ = 0;
    std::uint64_t dropped_ = 0;  // messages that were none, or out of place
    FileDescriptor arrived_;     // the descriptor of the message being handled
    std::vector<FileDescriptor> held_;
    std::map<std::string, FileDescriptor> held_by_name_;
    std::deque<std::string> backlog_;  // reports that could not be sent yet

    std::optional<pid_t> application_;
    bool ready_ = false;                        // the application, once
    std::map<pid_t, std::uint32_t> executing_;  // to their tokens
    std::optional<Ready> awaited_ready_;
    std::optional<ListeningSockets> listening_;
    Instant next_ready_check_;
    bool stopping_ = false;
    std::optional<Instant> kill_at_;         // of a Stop
    std::optional<Start> start_after_stop_;  // rule (5)
    std::optional<Instant> orphan_until_;
};

}  // namespace pleat::keeper
