// The words that describe a link, in a file and in `set`: "10ms~2ms 100Mbps loss=0.1%".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/link_properties.hh"
#include "readers/text_problem.hh"

namespace pleat {

// What the words say. `A -- B` makes two links: `patch` is for both, `up` for A -> B,
// `down` for B -> A.
struct LinkWords {
    LinkPatch patch;
    std::optional<Bandwidth> up;
    std::optional<Bandwidth> down;
    std::string name;
    std::vector<std::string> tags;  // sorted
    std::string trace;              // a file
    bool shared = false;
    std::string shared_by;  // `shared=client`: by the replicas of this host only
    bool is_down = false;   // at the start
};

// Where words stand decides which of them may be used.
enum class LinkWordsFor {
    two_way,   // `A -- B:`
    one_way,   // `A -> B:`
    defaults,  // `defaults.link`
    set_both,  // `set A--B`
    set_one,   // `set A->B`
};

// Reads words one by one, each of which may be given once.
class LinkWordsReader {
  public:
    explicit LinkWordsReader(LinkWordsFor where) : where_{where} {}

    // A word of the one-line form. Its offset is that of any problem found.
    void word(Word word);

    // An entry of the map form, `latency: 5ms`.
    void entry(std::string_view key, std::string_view value);

    const LinkWords& words() const { return words_; }

    const std::vector<TextProblem>& problems() const { return problems_; }

    // Forgets the problems so far, when the caller has placed them itself.
    std::vector<TextProblem> take_problems();

  private:
    void bare(std::string_view text);
    void field(std::string_view key, std::string_view value);
    void set_latency(std::string_view text);
    void set_round_trip(std::string_view text);
    void set_loss(std::string_view text);
    void set_queue(std::string_view text);
    void set_overhead(std::string_view text);
    void set_distribution(std::string_view text);
    void set_flag(bool& flag, std::string_view text);
    bool allowed(std::string_view key, std::string_view value);
    void problem(std::string code, std::string message, std::string suggest = {});

    template <typename T>
    void once(std::optional<T>& field, std::string_view what, T value);
    template <typename T, typename Parse>
    void read(std::optional<T>& field, std::string_view what, std::string_view text, Parse parse);

    LinkWordsFor where_;
    LinkWords words_;
    std::vector<TextProblem> problems_;
    std::size_t offset_ = 0;
};

// All the words of the one-line form.
LinkWords read_link_words(std::string_view text, LinkWordsFor where,
                          std::vector<TextProblem>& problems);

// As `set` takes them, in a fixed order.
std::string link_words_text(const LinkPatch& patch, const std::optional<Bandwidth>& up = {},
                            const std::optional<Bandwidth>& down = {});

// What differs from a link of no words at all.
LinkPatch patch_of(const LinkProperties& properties);

}  // namespace pleat
