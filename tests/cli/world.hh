// The small world of these tests: two hosts behind a bridge, a captured output, and a
// directory that goes away.
#pragma once

#include <filesystem>
#include <string>

#include <catch2/catch.hpp>
#include <stdlib.h>

#include "cli/output.hh"
#include "model/scenario.hh"
#include "wire/messages.hh"

namespace pleat::testing {

class Captured {
  public:
    explicit Captured(OutputStyle style = {})
        : output{style, [this](std::string_view text) { data += text; },
                 [this](std::string_view text) { notes += text; }} {}

    std::string data;
    std::string notes;
    Output output;
};

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "pleat-test-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }

    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

// client -- s1 -- server, 5 ms and 10 Mbit/s each; for 90 s, with a mark at 60 s.
inline Scenario small_scenario() {
    TopologyBuilder builder;
    builder.add(
        Host{.name = "client", .group = "client", .replica = 0, .replicated = false, .tags = {}});
    builder.add(
        Host{.name = "server", .group = "server", .replica = 0, .replicated = false, .tags = {}});
    builder.add(Bridge{.name = "s1", .label = "s1", .hidden = false, .tags = {}});
    LinkProperties properties;
    properties.latency = std::chrono::milliseconds{5};
    properties.bandwidth = Bandwidth::bits_per_second(10'000'000);
    for (const char* host : {"client", "server"}) {
        builder.add_link(host, "s1", properties);
        builder.add_link("s1", host, properties);
    }
    Scenario scenario;
    scenario.name = "small";
    scenario.seed = 42;
    scenario.duration = std::chrono::seconds{90};
    scenario.topology = std::move(builder).build().value();
    scenario.applications.resize(2);
    scenario.timeline.push_back(TimedEvent{.at = ExperimentTime{std::chrono::seconds{60}},
                                           .event = Mark{"half"},
                                           .phase = Phase::lasting,
                                           .overlay = 0,
                                           .text = "mark half"});
    return scenario;
}

inline Submit small_submit() {
    Submit submit;
    submit.scenario = small_scenario();
    submit.source_text = "pleat: 1\n";
    submit.options.run = "r-7f3a";
    submit.options.run_directory = "/nowhere/r-7f3a";
    return submit;
}

// As the controller would report a run in which both hosts ended well.
inline RunFinished small_results() {
    RunFinished finished;
    finished.run = "r-7f3a";
    finished.data_plane = "tun";
    HostResult client;
    client.host = HostId{0};
    client.address = "10.0.0.1";
    client.started = true;
    client.started_at = ExperimentTime{std::chrono::milliseconds{4}};
    client.exit_code = 0;
    client.log = "logs/client.log";
    HostResult server = client;
    server.host = HostId{1};
    server.address = "10.0.0.2";
    server.exit_code = 143;
    server.ended_by_us = true;
    server.log = "logs/server.log";
    finished.hosts = {client, server};
    finished.epochs = {EpochResult{.epoch = EpochId{1},
                                   .planned = ExperimentTime{std::chrono::seconds{30}},
                                   .late = std::chrono::microseconds{41},
                                   .events = {"set client--s1 10ms"}}};
    finished.flows = {FlowSeries{.flow = {HostId{0}, HostId{1}},
                                 .at = {ExperimentTime{std::chrono::milliseconds{100}}},
                                 .allowed_bps = {10'000'000},
                                 .measured_bps = {9'500'000}}};
    finished.control = {.messages_sent = 13, .bytes_sent = 412};
    finished.machines = {MachineResult{
        .name = "local", .data_plane = "tun", .control = finished.control, .clock_error = {}}};
    return finished;
}

}  // namespace pleat::testing
