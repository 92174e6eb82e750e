// The chemistry toolkit of src/data/chemistry/toolkit.h on RDKit. No exception leaves it.
#include "data/chemistry/toolkit.h"

#include <GraphMol/ChemTransforms/ChemTransforms.h>
#include <GraphMol/Depictor/RDDepictor.h>
#include <GraphMol/Descriptors/MolDescriptors.h>
#include <GraphMol/FileParsers/FileParsers.h>
#include <GraphMol/MolDraw2D/MolDraw2DSVG.h>
#include <GraphMol/MolOps.h>
#include <GraphMol/PeriodicTable.h>
#include <GraphMol/RWMol.h>
#include <GraphMol/SmilesParse/SmilesParse.h>
#include <GraphMol/SmilesParse/SmilesWrite.h>
#include <RDGeneral/RDLog.h>
#include <RDGeneral/versions.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <sstream>

using namespace RDKit;

namespace {

struct molecule {
    std::unique_ptr<ROMol> mol;
};

const ROMol &of(const void *m) {
    return *static_cast<const molecule *>(m)->mol;
}

// ---- Descriptors ------------------------------------------------------------------------------

double aromatic_share(const ROMol &m) {
    double count = 0;
    for (const auto atom : m.atoms()) {
        count += atom->getIsAromatic();
    }
    return m.getNumAtoms() ? count / m.getNumAtoms() : 0;
}

double log_p(const ROMol &m) {
    double value = 0, refraction = 0;
    Descriptors::calcCrippenDescriptors(m, value, refraction);
    return value;
}

double refractivity(const ROMol &m) {
    double value = 0, refraction = 0;
    Descriptors::calcCrippenDescriptors(m, value, refraction);
    return refraction;
}

const struct {
    const char *name, *meaning;
    double (*value)(const ROMol &);
} table[] = {
    {"logP", "octanol-water partition, Crippen's estimate", log_p},
    {"MR", "molar refractivity, Crippen's estimate", refractivity},
    {"TPSA", "topological polar surface area",
     [](const ROMol &m) { return Descriptors::calcTPSA(m); }},
    {"MW", "molecular weight", [](const ROMol &m) { return Descriptors::calcAMW(m); }},
    {"HBD", "hydrogen-bond donors", [](const ROMol &m) { return double(Descriptors::calcNumHBD(m)); }},
    {"HBA", "hydrogen-bond acceptors",
     [](const ROMol &m) { return double(Descriptors::calcNumHBA(m)); }},
    {"rings", "rings", [](const ROMol &m) { return double(Descriptors::calcNumRings(m)); }},
    {"aromatic_rings", "aromatic rings",
     [](const ROMol &m) { return double(Descriptors::calcNumAromaticRings(m)); }},
    {"aliphatic_rings", "rings that are not aromatic",
     [](const ROMol &m) { return double(Descriptors::calcNumAliphaticRings(m)); }},
    {"rotatable_bonds", "rotatable bonds",
     [](const ROMol &m) { return double(Descriptors::calcNumRotatableBonds(m)); }},
    {"Fsp3", "share of carbons that are sp3",
     [](const ROMol &m) { return Descriptors::calcFractionCSP3(m); }},
    {"heavy_atoms", "atoms other than hydrogen",
     [](const ROMol &m) { return double(m.getNumHeavyAtoms()); }},
    {"heteroatoms", "atoms other than carbon and hydrogen",
     [](const ROMol &m) { return double(Descriptors::calcNumHeteroatoms(m)); }},
    {"aromatic_share", "share of atoms that are aromatic", aromatic_share},
    {"charge", "formal charge", [](const ROMol &m) { return double(MolOps::getFormalCharge(m)); }},
};
constexpr int descriptors = sizeof table / sizeof table[0];
const char *names[descriptors], *meanings[descriptors];

void describe(const void *m, double *out) {
    for (int d = 0; d < descriptors; d++) {
        try {
            out[d] = table[d].value(of(m));
        } catch (...) {
            out[d] = NAN;
        }
    }
}

// ---- Reading ----------------------------------------------------------------------------------

// What RDKit says of an error goes to a stream of our own while a molecule is parsed.
std::string first_line(const std::string &log) {
    std::string line;
    std::istringstream in(log);
    while (std::getline(in, line)) {
        if (line.size() > 11 && line[0] == '[' && line[9] == ']') {
            line.erase(0, 11); // the time of day
        }
        if (!line.empty()) {
            return line;
        }
    }
    return "not a molecule";
}

void *parse(const char *text, int32_t block, char *reason, size_t size) {
    std::ostringstream log;
    auto logger = rdErrorLog;
    auto warning = rdWarningLog;
    rdErrorLog = std::make_shared<boost::logging::rdLogger>(&log);
    rdWarningLog.reset();
    std::string said;
    void *result = nullptr;
    try {
        std::unique_ptr<ROMol> mol(block ? MolBlockToMol(text) : SmilesToMol(text));
        if (mol && mol->getNumAtoms() > 0) {
            MolOps::symmetrizeSSSR(*mol);
            result = new molecule{std::move(mol)};
        } else {
            said = mol ? "no atoms" : first_line(log.str());
        }
    } catch (const std::exception &e) {
        said = e.what();
    } catch (...) {
        said = "not a molecule";
    }
    rdErrorLog = logger;
    rdWarningLog = warning;
    if (!result && size > 0) {
        std::strncpy(reason, said.c_str(), size - 1);
        reason[size - 1] = '\0';
    }
    return result;
}

void release(void *m) {
    delete static_cast<molecule *>(m);
}

void size_of(const void *m, int32_t *atoms, int32_t *bonds) {
    *atoms = int32_t(of(m).getNumAtoms());
    *bonds = int32_t(of(m).getNumBonds());
}

void graph(const void *m, pare_atom *atom, pare_bond *bond) {
    const ROMol &mol = of(m);
    const RingInfo *rings = mol.getRingInfo();
    for (const auto a : mol.atoms()) {
        double mass = PeriodicTable::getTable()->getAtomicWeight(a->getAtomicNum());
        pare_atom &out = atom[a->getIdx()];
        out.element = a->getAtomicNum();
        out.degree = int32_t(a->getTotalDegree());
        out.hydrogens = int32_t(a->getTotalNumHs());
        out.charge = a->getFormalCharge();
        out.isotope = a->getIsotope() ? int32_t(std::lround(a->getIsotope() - mass)) : 0;
        out.ring = rings->numAtomRings(a->getIdx()) > 0;
    }
    for (const auto b : mol.bonds()) {
        int kind = b->getIsAromatic() ? 4 : int(b->getBondType());
        bond[b->getIdx()] = {int32_t(b->getBeginAtomIdx()), int32_t(b->getEndAtomIdx()),
                             kind == 4 && !b->getIsAromatic() ? 5 : kind};
    }
}

// ---- Texts and drawings -----------------------------------------------------------------------

char *copy(const std::string &text) {
    char *out = static_cast<char *>(std::malloc(text.size() + 1));
    if (out) {
        std::memcpy(out, text.c_str(), text.size() + 1);
    }
    return out;
}

char *scaffold(const void *m) {
    try {
        std::unique_ptr<ROMol> core(MurckoDecompose(of(m)));
        return core ? copy(MolToSmiles(*core, false)) : nullptr;
    } catch (...) {
        return nullptr;
    }
}

// [element;H;D;charge;ring] of an atom, aromatic in small letters.
std::string exact_atom(const Atom &a, const RingInfo &rings) {
    std::ostringstream out;
    std::string element = a.getSymbol();
    out << '[';
    if (a.getIsotope()) {
        out << a.getIsotope();
    }
    if (a.getIsAromatic()) {
        element[0] = char(std::tolower(element[0]));
    }
    out << element << ";H" << a.getTotalNumHs() << ";X" << a.getTotalDegree();
    if (a.getFormalCharge()) {
        out << ';' << (a.getFormalCharge() > 0 ? '+' : '-') << std::abs(a.getFormalCharge());
    }
    out << (rings.numAtomRings(a.getIdx()) > 0 ? ";R" : ";R0") << ']';
    return out.str();
}

char *fragment(const void *m, const pare_part *part, int32_t exact) {
    try {
        const ROMol &mol = of(m);
        std::vector<int> atoms(part->atom, part->atom + part->atoms);
        std::vector<int> bonds(part->bond, part->bond + part->bonds);
        std::vector<std::string> symbols;
        for (const auto a : mol.atoms()) {
            symbols.push_back(exact ? exact_atom(*a, *mol.getRingInfo()) : "");
        }
        return copy(MolFragmentToSmiles(mol, atoms, &bonds, exact ? &symbols : nullptr, nullptr,
                                        false, false, part->center));
    } catch (...) {
        return nullptr;
    }
}

char *draw(const void *m, int32_t width, int32_t height, int32_t parts, const pare_part *part,
           uint32_t colour) {
    try {
        RWMol mol(of(m));
        std::vector<int> atoms, bonds;
        for (int32_t p = 0; p < parts; p++) {
            atoms.insert(atoms.end(), part[p].atom, part[p].atom + part[p].atoms);
            bonds.insert(bonds.end(), part[p].bond, part[p].bond + part[p].bonds);
        }
        RDDepict::preferCoordGen = false;
        RDDepict::compute2DCoords(mol, nullptr, true);
        MolDraw2DSVG drawer(width, height, -1, -1, true);
        auto &options = drawer.drawOptions();
        options.clearBackground = false;
        options.bondLineWidth = 1.6;
        options.padding = 0.06;
        options.fixedBondLength = 26;
        options.highlightBondWidthMultiplier = 10;
        options.fillHighlights = true;
        options.highlightRadius = 0.32;
        options.highlightColour = DrawColour(double(colour >> 16 & 255) / 255,
                                             double(colour >> 8 & 255) / 255,
                                             double(colour & 255) / 255);
        assignBWPalette(options.atomColourPalette);
        drawer.drawMolecule(mol, &atoms, &bonds);
        drawer.finishDrawing();
        std::string text = drawer.getDrawingText();
        size_t begin = text.find("<svg");
        return begin == std::string::npos ? nullptr : copy(text.substr(begin));
    } catch (...) {
        return nullptr;
    }
}

void release_text(char *text) {
    std::free(text);
}

const std::string version = std::string("RDKit ") + rdkitVersion;
pare_toolkit toolkit;

} // namespace

extern "C" __attribute__((visibility("default"))) const pare_toolkit *pare_chemistry_toolkit() {
    for (int d = 0; d < descriptors; d++) {
        names[d] = table[d].name;
        meanings[d] = table[d].meaning;
    }
    toolkit = {PARE_TOOLKIT_VERSION, version.c_str(), descriptors, names,        meanings,
               parse,                release,         size_of,     graph,        describe,
               scaffold,             fragment,        draw,        release_text};
    return &toolkit;
}
