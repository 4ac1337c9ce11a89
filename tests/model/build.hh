// Small worlds for tests, without a reader:
//
//     topology({"a -- s1: 5ms 10Mbps", "s1 -> s2: 1ms~200us loss=1% name=x down", "bridge core"})
//
// `--` makes a link each way, `->` one. A point whose name is 's' or 'b' and digits is a
// bridge, every other one a host; "client[2]" is replica 2 of client. "host NAME" and
// "bridge NAME" say it for other names, or for points without links.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "model/event.hh"
#include "model/scenario.hh"
#include "model/topology.hh"

namespace pleat::testing {

// Fails the test (by an exception) on a line that it does not understand.
Topology topology(const std::vector<std::string>& lines);

// "5ms~1ms 10Mbps loss=1% queue=20ms": the link that a line of topology() would make.
LinkProperties properties(std::string_view tokens);

// By name; what is not there fails the test.
HostId host(const Topology& topology, std::string_view name);
VertexId vertex(const Topology& topology, std::string_view name);
LinkId link(const Topology& topology, std::string_view label);  // "a->s1" or "a->s1#name"

// A scenario of only this.
Scenario scenario(Topology topology, std::vector<TimedEvent> timeline = {});

// An event that lasts from `at` on.
TimedEvent event(Duration at, Event what, std::string text = {});

// The two ends of an overlay.
std::vector<TimedEvent> overlay(std::uint32_t number, Duration begin, Duration end,
                                const Event& what, const std::string& text = {});

}  // namespace pleat::testing
