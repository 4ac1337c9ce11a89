// Overload: several lambdas as one visitor for std::visit.
#pragma once

namespace pleat {

template <typename... Fs>
struct Overload : Fs... {
    using Fs::operator()...;
};

template <typename... Fs>
Overload(Fs...) -> Overload<Fs...>;

}  // namespace pleat
