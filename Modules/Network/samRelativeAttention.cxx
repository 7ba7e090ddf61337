// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samRelativeAttention.h"

#include "samParallel.h"
#include "samScoreTile.h"
#include "samTileProduct.h"
#include "samWindows.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace sam
{
namespace
{
/** Of which LibTorch's fused attention on GPUs wants the channels to be a multiple, in every type. */
constexpr int64_t channelMultiple = 8;

/** Scores per query, and queries, of a tile: 128 KiB of scores, 128 KiB of keys and 128 KiB of values of 64 channels
 * fit into a second-level cache. */
constexpr int64_t tileKeys = 512;
constexpr int64_t tileQueries = 64;

/** A part of the map that is attended to as a whole: a window, or everything. */
struct Extent
{
  int64_t row;     ///< first row
  int64_t column;  ///< first column
  int64_t rows;    ///< rows that exist
  int64_t columns; ///< columns that exist
};

/** The table that belongs to a grid of \a size, last difference first, C×(2·size−1): query p finds the term of key k at
 * size − 1 − p + k, neighbors side by side. */
at::Tensor
ReversedTable(const at::Tensor & table, int64_t size)
{
  return ResizeLinear(table.t().unsqueeze(0), { 2 * size - 1 }).squeeze(0).flip(1).contiguous();
}

int64_t
RoundUp(int64_t value, int64_t multiple)
{
  return (value + multiple - 1) / multiple * multiple;
}

/** One head of one extent: holds its keys and values side by side, then answers blocks of its queries. */
class HeadTile
{
public:
  /** \a size rows and columns of keys, those that do not exist included. */
  HeadTile(int64_t size[2], int64_t channels, const float * rowTable, const float * columnTable)
    : m_Rows(size[0])
    , m_Columns(size[1])
    , m_Width(RoundUp(size[1], size[1] > 8 ? 16 : 8))
    , m_Channels(channels)
    , m_RowTable(rowTable)
    , m_ColumnTable(columnTable)
    , m_ChunkRows(std::clamp<int64_t>(tileKeys / m_Width, 1, m_Rows))
    , m_BlockRows(std::clamp<int64_t>(tileQueries / m_Columns, 1, m_Rows))
    , m_Keys(static_cast<size_t>(m_Rows * m_Width * channels))
    , m_Values(m_Keys.size())
  {
    // A window is one block: its queries share the product with all keys.
    if (m_Rows * m_Columns <= 4 * tileQueries)
    {
      m_BlockRows = m_Rows;
    }
    const int64_t block = m_BlockRows * m_Columns;
    m_Queries.resize(static_cast<size_t>(block * channels));
    m_Accumulated.resize(m_Queries.size());
    m_Scores.resize(static_cast<size_t>(block * m_ChunkRows * m_Width));
    m_RowTerms.resize(static_cast<size_t>(block * (2 * m_Rows - 1)));
    m_ColumnProducts.resize(static_cast<size_t>(block * (2 * m_Columns - 1)));
    m_ColumnTerms.assign(static_cast<size_t>(block * m_Width), scoreOfNothing);
    m_RowPointers.resize(static_cast<size_t>(block));
    m_ColumnPointers.resize(static_cast<size_t>(block));
    m_Statistics.resize(static_cast<size_t>(3 * block));
  }

  /** Rows of queries that one block takes. */
  int64_t
  GetBlockRows() const
  {
    return m_BlockRows;
  }

  /** \a parts points at the extent's first query; keys and values lie \a width and 2 · \a width behind, a row of the
   * map
   * \a rowStride. What does not exist has the key and the value in \a absent. */
  void
  Gather(const float * parts, int64_t rowStride, int64_t width, const Extent & extent, const float * absent)
  {
    const int64_t stride = 3 * width;
    std::fill(m_Values.begin(), m_Values.end(), 0.0F);
    std::fill(m_Keys.begin(), m_Keys.end(), 0.0F);
    for (int64_t r = 0; r < m_Rows; ++r)
    {
      // Keys lie in chunks of C×(chunkRows·width), so that each chunk is one matrix.
      const int64_t chunk = r / m_ChunkRows;
      const int64_t chunkWidth = std::min(m_ChunkRows, m_Rows - chunk * m_ChunkRows) * m_Width;
      float * keys = m_Keys.data() + chunk * m_ChunkRows * m_Width * m_Channels + (r - chunk * m_ChunkRows) * m_Width;
      for (int64_t k = 0; k < m_Columns; ++k)
      {
        const bool    exists = r < extent.rows && k < extent.columns;
        const float * source = exists ? parts + r * rowStride + k * stride : absent;
        for (int64_t c = 0; c < m_Channels; ++c)
        {
          keys[c * chunkWidth + k] = source[width + c];
        }
        std::copy_n(source + 2 * width, m_Channels, m_Values.data() + (r * m_Width + k) * m_Channels);
      }
    }
  }

  /** Answer the queries of up to GetBlockRows() rows from \a first on; \a answer points at the extent's first token, of
   * \a width channels. */
  void
  Attend(const float * parts, int64_t rowStride, int64_t width, const Extent & extent, int64_t first, float * answer)
  {
    const int64_t rows = std::min(m_BlockRows, extent.rows - first);
    const int64_t queries = rows * extent.columns;
    for (int64_t r = 0, q = 0; r < rows; ++r)
    {
      for (int64_t k = 0; k < extent.columns; ++k, ++q)
      {
        std::copy_n(parts + (first + r) * rowStride + k * 3 * width, m_Channels, m_Queries.data() + q * m_Channels);
      }
    }
    this->PrepareTerms(extent, first, queries);
    float * const maximum = m_Statistics.data();
    float * const sum = maximum + queries;
    float * const correction = sum + queries;
    std::fill_n(maximum, queries, scoreOfNothing);
    std::fill_n(sum, queries, 0.0F);
    for (int64_t row = 0; row < m_Rows; row += m_ChunkRows)
    {
      const int64_t keyRows = std::min(m_ChunkRows, m_Rows - row);
      const int64_t keys = keyRows * m_Width;
      const int64_t start = row * m_Width * m_Channels;
      MultiplyTile(queries, keys, m_Channels, m_Queries.data(), m_Keys.data() + start, m_Scores.data(), false);
      ExponentiateTile(
        { m_Scores.data(), queries, keyRows, m_Width, m_Scale, m_RowPointers.data(), m_ColumnPointers.data() },
        maximum,
        sum,
        correction);
      for (int64_t q = 0; q < queries; ++q)
      {
        m_RowPointers[static_cast<size_t>(q)] += keyRows;
        float * const accumulated = m_Accumulated.data() + q * m_Channels;
        for (int64_t c = 0; row > 0 && c < m_Channels; ++c)
        {
          accumulated[c] *= correction[q];
        }
      }
      MultiplyTile(queries, m_Channels, keys, m_Scores.data(), m_Values.data() + start, m_Accumulated.data(), row > 0);
    }
    for (int64_t q = 0; q < queries; ++q)
    {
      const float   factor = 1.0F / sum[q];
      float * const target = answer + ((first + q / extent.columns) * rowStride / 3 + q % extent.columns * width);
      for (int64_t c = 0; c < m_Channels; ++c)
      {
        target[c] = m_Accumulated[static_cast<size_t>(q * m_Channels + c)] * factor;
      }
    }
  }

private:
  /** The relative terms use the query as it is, without the scale of the dot product. */
  void
  PrepareTerms(const Extent & extent, int64_t first, int64_t queries)
  {
    const int64_t rowLength = 2 * m_Rows - 1;
    const int64_t columnLength = 2 * m_Columns - 1;
    MultiplyTile(queries, rowLength, m_Channels, m_Queries.data(), m_RowTable, m_RowTerms.data(), false);
    MultiplyTile(queries, columnLength, m_Channels, m_Queries.data(), m_ColumnTable, m_ColumnProducts.data(), false);
    for (int64_t q = 0; q < queries; ++q)
    {
      const int64_t row = first + q / extent.columns;
      const int64_t column = q % extent.columns;
      float * const terms = m_ColumnTerms.data() + q * m_Width;
      std::copy_n(m_ColumnProducts.data() + q * columnLength + m_Columns - 1 - column, m_Columns, terms);
      m_ColumnPointers[static_cast<size_t>(q)] = terms;
      m_RowPointers[static_cast<size_t>(q)] = m_RowTerms.data() + q * rowLength + m_Rows - 1 - row;
    }
  }

  int64_t                    m_Rows;
  int64_t                    m_Columns;
  int64_t                    m_Width; ///< of a row of keys in the tile
  int64_t                    m_Channels;
  const float *              m_RowTable;
  const float *              m_ColumnTable;
  int64_t                    m_ChunkRows;
  int64_t                    m_BlockRows;
  float                      m_Scale{ 1.0F / std::sqrt(static_cast<float>(m_Channels)) };
  std::vector<float>         m_Keys;
  std::vector<float>         m_Values;
  std::vector<float>         m_Queries;
  std::vector<float>         m_Accumulated;
  std::vector<float>         m_Scores;
  std::vector<float>         m_RowTerms;
  std::vector<float>         m_ColumnProducts;
  std::vector<float>         m_ColumnTerms;
  std::vector<const float *> m_RowPointers;
  std::vector<const float *> m_ColumnPointers;
  std::vector<float>         m_Statistics;
};
} // namespace

at::Tensor
RelativePositions(int64_t queries, int64_t keys, const at::Tensor & table)
{
  const int64_t length = 2 * std::max(queries, keys) - 1;
  const auto    fitted = ResizeLinear(table.t().unsqueeze(0), { length }).squeeze(0).t();
  const auto    options = at::TensorOptions().dtype(at::kLong).device(table.device());
  const double  queryScale = std::max(static_cast<double>(keys) / queries, 1.0);
  const double  keyScale = std::max(static_cast<double>(queries) / keys, 1.0);
  // Promoted to float32, as in the published code: its rounding decides between two rows of the table.
  const auto differences = at::arange(queries, options).unsqueeze(1) * queryScale -
                           at::arange(keys, options).unsqueeze(0) * keyScale + (keys - 1) * keyScale;
  return fitted.index_select(0, differences.to(at::kLong).flatten()).view({ queries, keys, table.size(1) });
}

RelativeAttention::RelativeAttention(const Scope &                  scope,
                                     int64_t                        width,
                                     int64_t                        heads,
                                     const std::array<int64_t, 2> & tableGrid,
                                     int64_t                        window,
                                     bool                           hasTables)
  : m_QueryKeyValue(scope / "qkv", width, 3 * width)
  , m_Projection(scope / "proj", width, width)
  , m_Heads(heads)
  , m_Window(window)
{
  if (hasTables)
  {
    const auto zero = Initialization::Constant(0.0);
    m_RowTable = scope.Declare("rel_pos_h", { 2 * tableGrid[0] - 1, width / heads }, zero);
    m_ColumnTable = scope.Declare("rel_pos_w", { 2 * tableGrid[1] - 1, width / heads }, zero);
  }
}

at::Tensor
RelativeAttention::operator()(const at::Tensor & x) const
{
  return m_Projection(this->Attend(x));
}

at::Tensor
RelativeAttention::Plus(const at::Tensor & x, const at::Tensor & other) const
{
  return m_Projection.Plus(this->Attend(x), other);
}

at::Tensor
RelativeAttention::Attend(const at::Tensor & x) const
{
  if (!at::GradMode::is_enabled() && x.device().is_cpu())
  {
    return this->AttendInTiles(m_QueryKeyValue(x).to(at::kFloat).contiguous());
  }
  return m_Window > 0
           ? UnpartitionWindows(this->AttendToGrid(PartitionWindows(x, m_Window)), m_Window, x.size(1), x.size(2))
           : this->AttendToGrid(x);
}

at::Tensor
RelativeAttention::AttendInTiles(const at::Tensor & parts) const
{
  const int64_t batch = parts.size(0);
  const int64_t h = parts.size(1);
  const int64_t w = parts.size(2);
  const int64_t width = parts.size(3) / 3;
  const int64_t channels = width / m_Heads;
  int64_t       size[2] = { m_Window > 0 ? m_Window : h, m_Window > 0 ? m_Window : w };
  const auto    windows = m_Window > 0 ? WindowGrid(m_Window, h, w) : std::array<int64_t, 2>{ 1, 1 };
  const auto    table = [&](const at::Tensor & own, int64_t length) {
    return own.defined() ? ReversedTable(own, length) : at::zeros({ channels, 2 * length - 1 }, parts.options());
  };
  const auto rowTable = table(m_RowTable, size[0]);
  const auto columnTable = table(m_ColumnTable, size[1]);
  // What lies beyond the border is zero before the linear layer, so that its bias remains.
  const auto    absent = m_QueryKeyValue.GetBias();
  auto          answer = at::empty({ batch, h, w, width }, parts.options());
  const float * partData = parts.const_data_ptr<float>();
  float *       answerData = answer.data_ptr<float>();

  // Few heads are shared out among many threads: each part gathers the keys for itself.
  const int64_t units = batch * windows[0] * windows[1] * m_Heads;
  const int64_t blockRows = HeadTile(size, 1, nullptr, nullptr).GetBlockRows();
  const int64_t blocks = (size[0] + blockRows - 1) / blockRows;
  const int64_t shares = std::clamp<int64_t>(4 * at::get_num_threads() / units, 1, blocks);
  const int64_t blocksPerShare = (blocks + shares - 1) / shares;
  const int64_t tasks = units * shares;
  const int64_t ranges = std::min<int64_t>(tasks, 4 * at::get_num_threads());
  ForEachInParallel(ranges, [&](int64_t range) {
    HeadTile tile(size, channels, rowTable.const_data_ptr<float>(), columnTable.const_data_ptr<float>());
    for (int64_t task = tasks * range / ranges; task < tasks * (range + 1) / ranges; ++task)
    {
      const int64_t head = task / shares % m_Heads;
      const int64_t window = task / shares / m_Heads % (windows[0] * windows[1]);
      const int64_t image = task / shares / m_Heads / (windows[0] * windows[1]);
      Extent        extent{ window / windows[1] * size[0], window % windows[1] * size[1], 0, 0 };
      extent.rows = std::min(size[0], h - extent.row);
      extent.columns = std::min(size[1], w - extent.column);
      const int64_t token = (image * h + extent.row) * w + extent.column;
      const float * first = partData + token * 3 * width + head * channels;
      tile.Gather(first, w * 3 * width, width, extent, absent.const_data_ptr<float>() + head * channels);
      const int64_t firstRow = task % shares * blocksPerShare * blockRows;
      const int64_t lastRow = std::min(firstRow + blocksPerShare * blockRows, extent.rows);
      for (int64_t row = firstRow; row < lastRow; row += blockRows)
      {
        tile.Attend(first, w * 3 * width, width, extent, row, answerData + token * width + head * channels);
      }
    }
    EndTileProducts();
  });
  return answer;
}

at::Tensor
RelativeAttention::AttendToGrid(const at::Tensor & x) const
{
  const int64_t batch = x.size(0);
  const int64_t h = x.size(1);
  const int64_t w = x.size(2);
  const int64_t channels = x.size(3) / m_Heads;
  // 3×B×heads×(h·w)×C
  const auto parts = m_QueryKeyValue(x).view({ batch, h * w, 3, m_Heads, channels }).permute({ 2, 0, 3, 1, 4 });
  const auto query = parts.select(0, 0);
  if (!m_RowTable.defined())
  {
    return at::scaled_dot_product_attention(query, parts.select(0, 1), parts.select(0, 2))
      .transpose(1, 2)
      .reshape({ batch, h, w, -1 });
  }

  // The relative terms use the query as it is, without the scale of the dot product.
  const auto rows = query.reshape({ batch * m_Heads, h, w, channels });
  const auto rowPositions = RelativePositions(h, h, m_RowTable).transpose(1, 2);       // h×C×h
  const auto columnPositions = RelativePositions(w, w, m_ColumnTable).transpose(1, 2); // w×C×w
  const auto rowTerms = at::matmul(rows, rowPositions).view({ batch, m_Heads, h * w, h });
  const auto columnTerms =
    at::matmul(rows.transpose(1, 2), columnPositions).transpose(1, 2).reshape({ batch, m_Heads, h * w, w });

  // Further channels in which a query has its terms and a key says where it is: their products are the terms.
  const int64_t padding = (channelMultiple - (channels + h + w) % channelMultiple) % channelMultiple;
  const auto    options = query.options();
  const auto    places = at::cat({ at::eye(h, options).repeat_interleave(w, 0),
                                   at::eye(w, options).repeat({ h, 1 }),
                                   at::zeros({ h * w, padding }, options) },
                              1)
                        .expand({ batch, m_Heads, -1, -1 });
  const double scale = 1.0 / std::sqrt(static_cast<double>(channels));
  const auto   none = at::zeros({ 1 }, options).expand({ batch, m_Heads, h * w, padding });
  const auto   attended = at::scaled_dot_product_attention(at::cat({ query * scale, rowTerms, columnTerms, none }, 3),
                                                         at::cat({ parts.select(0, 1), places }, 3),
                                                         parts.select(0, 2),
                                                           {},
                                                         0.0,
                                                         false,
                                                         1.0);
  return attended.transpose(1, 2).reshape({ batch, h, w, -1 });
}
} // namespace sam
