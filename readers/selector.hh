// Selector: which hosts, bridges and links an event's words mean.
//
//   client          a host, all replicas of one, a bridge, or a group
//   client[0..1]    replicas; also [0], [0,2], [*]
//   web-*           glob (* and ?)
//   host[tag=wan]   by tag; also bridge[…], or client[…] for those of one name
//   a--b  a->b      the links between two points, both directions or one; a--b#x: of name x
//   link[tag=wan]   by tag; also link[name=x]
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/scenario.hh"
#include "readers/text_problem.hh"

namespace pleat {

template <typename T>
using Parsed = tl::expected<T, TextProblem>;

using Groups = std::map<std::string, std::vector<VertexId>>;

// The links that a user thinks of as one: those of one name between two points, in one
// direction or both.
struct LinkObject {
    std::string text;  // "a--b", "a->b", "a--b#x": selects exactly this
    bool one_way = false;
    std::vector<LinkId> forward;   // from the first point to the second
    std::vector<LinkId> backward;  // empty when one_way
};

class Selector {
  public:
    // Both must outlive it.
    Selector(const Topology& topology, const Groups& groups);

    const Topology& topology() const { return *topology_; }

    // All ascend and hold at least one.
    Parsed<std::vector<VertexId>> points(Word pattern);
    Parsed<std::vector<HostId>> hosts(Word pattern);

    // In the order of their ends.
    Parsed<std::vector<LinkObject>> links(Word pattern);

    // A short text that selects exactly these points: "client, s1".
    std::string points_text(const std::vector<VertexId>& points) const;

    // The hosts of one name; empty when there is none.
    std::vector<VertexId> replicas_of(std::string_view group) const;

  private:
    struct Ends {
        std::vector<VertexId> from;
        std::vector<VertexId> to;
        bool one_way = false;
    };

    std::vector<VertexId> find_points(std::string_view pattern) const;
    std::vector<VertexId> find_ends(std::string_view pattern) const;
    Parsed<std::vector<LinkObject>> links_between(Word pattern, std::size_t arrow);
    Parsed<std::vector<LinkObject>> links_with(Word pattern, std::string_view condition);
    std::vector<LinkId> between(const Ends& ends) const;
    bool is_access(LinkId id) const;
    bool ambiguous(const std::string& text) const;
    std::string end_text(VertexId v) const;
    TextProblem unknown(Word pattern, std::string_view what);

    const Topology* topology_;
    const Groups* groups_;
    bool any_hidden_ = false;
    int suggestions_left_ = 50;  // looking for the nearest of thousands of names takes time
};

// Does `text` match a pattern of '*' (any run) and '?' (any one character)?
bool glob_matches(std::string_view pattern, std::string_view text);

}  // namespace pleat
