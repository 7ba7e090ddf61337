// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPickle.h"

#include "samError.h"
#include "samTensorFile.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <optional>
#include <unordered_map>

namespace sam
{
namespace
{
using Kind = PickledValue::Kind;

constexpr size_t maximumValues = 1'000'000;

/** Shapes are copied: what a pickle names again and again must be short. */
constexpr size_t maximumAxes = 64;

struct StorageClass
{
  const char *   name;
  at::ScalarType type;
};

constexpr std::array<StorageClass, 10> storageClasses{ { { "torch.FloatStorage", at::kFloat },
                                                         { "torch.DoubleStorage", at::kDouble },
                                                         { "torch.HalfStorage", at::kHalf },
                                                         { "torch.BFloat16Storage", at::kBFloat16 },
                                                         { "torch.LongStorage", at::kLong },
                                                         { "torch.IntStorage", at::kInt },
                                                         { "torch.ShortStorage", at::kShort },
                                                         { "torch.CharStorage", at::kChar },
                                                         { "torch.ByteStorage", at::kByte },
                                                         { "torch.BoolStorage", at::kBool } } };

constexpr const char * orderedDictionary = "collections.OrderedDict";
constexpr const char * rebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr const char * rebuildParameter = "torch._utils._rebuild_parameter";

std::optional<at::ScalarType>
FindStorageClass(const std::string & name)
{
  for (const auto & known : storageClasses)
  {
    if (name == known.name)
    {
      return known.type;
    }
  }
  return {};
}

bool
IsKnown(const std::string & name)
{
  return name == orderedDictionary || name == rebuildTensor || name == rebuildParameter || FindStorageClass(name);
}

enum Operation : unsigned char
{
  Mark = '(',
  Stop = '.',
  BinaryReal = 'G',
  Integer4 = 'J',
  Integer1 = 'K',
  Integer2 = 'M',
  None = 'N',
  PersistentId = 'Q',
  Reduce = 'R',
  Text4 = 'X',
  Append = 'a',
  Build = 'b',
  Name = 'c',
  Appends = 'e',
  Get1 = 'h',
  Get4 = 'j',
  ListEmpty = ']',
  Put1 = 'q',
  Put4 = 'r',
  SetItem = 's',
  Tuple = 't',
  SetItems = 'u',
  DictionaryEmpty = '}',
  TupleEmpty = ')',
  Bytes4 = 'B',
  Bytes1 = 'C',
  Protocol = 0x80,
  Tuple1 = 0x85,
  Tuple2 = 0x86,
  Tuple3 = 0x87,
  True = 0x88,
  False = 0x89,
  Long1 = 0x8a,
  Text1 = 0x8c,
  Text8 = 0x8d,
  StackName = 0x93,
  Memoize = 0x94,
  Frame = 0x95
};
} // namespace

class Pickle::Machine
{
public:
  Machine(const std::string & bytes, const std::string & where, std::deque<PickledValue> & values)
    : m_Bytes(bytes)
    , m_Where(where)
    , m_Values(values)
  {}

  PickledValue *
  Run()
  {
    while (true)
    {
      const auto place = m_Place;
      const auto operation = Number<unsigned char>();
      if (operation == Stop)
      {
        return Pop();
      }
      if (!Container(operation) && !Plain(operation))
      {
        std::array<char, 8> code{};
        std::snprintf(code.data(), code.size(), "0x%02x", operation);
        throw Error(m_Where + ": pickle operation " + code.data() + " at byte " + std::to_string(place) +
                    " does not belong to a file of tensors, expected a state_dict written by torch.save");
      }
    }
  }

private:
  /** Numbers, texts, the memo. */
  bool
  Plain(unsigned char operation)
  {
    switch (operation)
    {
      case Protocol:
        if (const auto protocol = Number<unsigned char>(); protocol < 2 || protocol > 5)
        {
          Fail("is of pickle protocol " + std::to_string(protocol) + ", expected 2 to 5");
        }
        return true;
      case Frame:
        Number<uint64_t>();
        return true;
      case None:
        Push(Kind::None);
        return true;
      case True:
      case False:
        Push(Kind::Boolean).integer = operation == True ? 1 : 0;
        return true;
      case Integer1:
        Push(Kind::Integer).integer = Number<uint8_t>();
        return true;
      case Integer2:
        Push(Kind::Integer).integer = Number<uint16_t>();
        return true;
      case Integer4:
        Push(Kind::Integer).integer = Number<int32_t>();
        return true;
      case Long1:
        Push(Kind::Integer).integer = LongNumber();
        return true;
      case BinaryReal:
        Number<uint64_t>();
        Push(Kind::Real);
        return true;
      case Text1:
      case Bytes1:
        PushText(Number<uint8_t>());
        return true;
      case Text4:
      case Bytes4:
        PushText(Number<uint32_t>());
        return true;
      case Text8:
        PushText(Number<uint64_t>());
        return true;
      case Put1:
        Put(Number<uint8_t>());
        return true;
      case Put4:
        Put(Number<uint32_t>());
        return true;
      case Memoize:
        Put(static_cast<uint32_t>(m_Memo.size()));
        return true;
      case Get1:
        Get(Number<uint8_t>());
        return true;
      case Get4:
        Get(Number<uint32_t>());
        return true;
      default:
        return false;
    }
  }

  /** Containers, names and what is made of them. */
  bool
  Container(unsigned char operation)
  {
    switch (operation)
    {
      case Mark:
        m_Marks.push_back(m_Stack.size());
        return true;
      case TupleEmpty:
        Push(Kind::Tuple);
        return true;
      case Tuple1:
      case Tuple2:
      case Tuple3:
        PushTuple(PopSeveral(operation - Tuple1 + 1));
        return true;
      case Tuple:
        PushTuple(PopToMark());
        return true;
      case ListEmpty:
        Push(Kind::List);
        return true;
      case Append:
        Extend(Kind::List, PopSeveral(1));
        return true;
      case Appends:
        Extend(Kind::List, PopToMark());
        return true;
      case DictionaryEmpty:
        Push(Kind::Dictionary);
        return true;
      case SetItem:
        Extend(Kind::Dictionary, PopSeveral(2));
        return true;
      case SetItems:
        Extend(Kind::Dictionary, PopToMark());
        return true;
      case Name: {
        const std::string module = Line();
        PushName(module, Line());
        return true;
      }
      case StackName: {
        const auto parts = PopSeveral(2);
        PushName(Expect(parts[0], Kind::Text).text, Expect(parts[1], Kind::Text).text);
        return true;
      }
      case PersistentId:
        PushStorage(*Pop());
        return true;
      case Reduce: {
        const auto parts = PopSeveral(2);
        Imitate(Expect(parts[0], Kind::Name).text, Expect(parts[1], Kind::Tuple).items);
        return true;
      }
      case Build:
        // Attributes of an ordered dictionary: versions of the layers, which say nothing here.
        Pop();
        Expect(Top(), Kind::Dictionary);
        return true;
      default:
        return false;
    }
  }

  void
  Imitate(const std::string & function, const std::vector<PickledValue *> & arguments)
  {
    if (function == orderedDictionary && arguments.empty())
    {
      Push(Kind::Dictionary);
    }
    else if (function == rebuildParameter && arguments.size() == 3)
    {
      Expect(arguments[0], Kind::Tensor);
      m_Stack.push_back(arguments[0]);
    }
    else if (function == rebuildTensor && (arguments.size() == 6 || arguments.size() == 7))
    {
      // storage, offset, shape, strides, whether it is trained, hooks
      auto tensor = Expect(arguments[0], Kind::Storage).tensor;
      tensor.offset = Expect(arguments[1], Kind::Integer).integer;
      tensor.shape = Integers(arguments[2]);
      tensor.strides = Integers(arguments[3]);
      Push(Kind::Tensor).tensor = std::move(tensor);
    }
    else
    {
      Fail("calls '" + function + "' in an unknown way");
    }
  }

  void
  PushStorage(const PickledValue & id)
  {
    const auto & parts = Expect(&id, Kind::Tuple).items;
    if (parts.size() != 5 || Expect(parts[0], Kind::Text).text != "storage")
    {
      Fail("names data in an unknown way");
    }
    const std::string & name = Expect(parts[1], Kind::Name).text;
    const auto          type = FindStorageClass(name);
    if (!type)
    {
      Fail("names '" + name + "' as a storage");
    }
    PickledTensor tensor;
    tensor.type = *type;
    tensor.storage = ToPrintable(Expect(parts[2], Kind::Text).text);
    tensor.storageElements = Expect(parts[4], Kind::Integer).integer;
    Push(Kind::Storage).tensor = std::move(tensor);
  }

  void
  PushName(const std::string & module, const std::string & name)
  {
    std::string text = module + "." + name;
    if (!IsKnown(text))
    {
      Fail("asks for '" + ToPrintable(text) +
           "', which is not part of a tensor and was not run, expected a state_dict of tensors alone");
    }
    Push(Kind::Name).text = std::move(text);
  }

  void
  PushText(uint64_t length)
  {
    CheckRest(length);
    Push(Kind::Text).text.assign(m_Bytes, m_Place, length);
    m_Place += length;
  }

  void
  PushTuple(std::vector<PickledValue *> items)
  {
    Push(Kind::Tuple).items = std::move(items);
  }

  PickledValue &
  Push(Kind kind)
  {
    if (m_Values.size() >= maximumValues)
    {
      Fail("holds more than " + std::to_string(maximumValues) + " values");
    }
    PickledValue & value = m_Values.emplace_back();
    value.kind = kind;
    m_Stack.push_back(&value);
    return value;
  }

  PickledValue *
  Top() const
  {
    if (m_Stack.size() <= (m_Marks.empty() ? 0 : m_Marks.back()))
    {
      Fail("is damaged");
    }
    return m_Stack.back();
  }

  PickledValue *
  Pop()
  {
    auto * value = Top();
    m_Stack.pop_back();
    return value;
  }

  std::vector<PickledValue *>
  PopSeveral(size_t count)
  {
    std::vector<PickledValue *> values(count);
    for (size_t k = count; k-- > 0;)
    {
      values[k] = Pop();
    }
    return values;
  }

  std::vector<PickledValue *>
  PopToMark()
  {
    if (m_Marks.empty())
    {
      Fail("is damaged");
    }
    const auto                  first = m_Stack.begin() + static_cast<std::ptrdiff_t>(m_Marks.back());
    std::vector<PickledValue *> values(first, m_Stack.end());
    m_Stack.erase(first, m_Stack.end());
    m_Marks.pop_back();
    return values;
  }

  void
  Extend(Kind kind, const std::vector<PickledValue *> & values)
  {
    auto * container = Top();
    Expect(container, kind);
    if (kind == Kind::Dictionary && values.size() % 2 != 0)
    {
      Fail("is damaged");
    }
    container->items.insert(container->items.end(), values.begin(), values.end());
  }

  void
  Put(uint32_t place)
  {
    m_Memo[place] = Top();
  }

  void
  Get(uint32_t place)
  {
    const auto found = m_Memo.find(place);
    if (found == m_Memo.end())
    {
      Fail("is damaged");
    }
    m_Stack.push_back(found->second);
  }

  std::vector<int64_t>
  Integers(const PickledValue * tuple) const
  {
    const auto & items = Expect(tuple, Kind::Tuple).items;
    if (items.size() > maximumAxes)
    {
      Fail("describes a tensor of " + std::to_string(items.size()) + " axes");
    }
    std::vector<int64_t> numbers;
    for (const auto * item : items)
    {
      numbers.push_back(Expect(item, Kind::Integer).integer);
    }
    return numbers;
  }

  const PickledValue &
  Expect(const PickledValue * value, Kind kind) const
  {
    if (value->kind != kind)
    {
      Fail("is damaged or does not describe tensors");
    }
    return *value;
  }

  void
  CheckRest(uint64_t length) const
  {
    if (length > m_Bytes.size() - m_Place)
    {
      Fail("is truncated");
    }
  }

  template <typename TNumber>
  TNumber
  Number()
  {
    CheckRest(sizeof(TNumber));
    TNumber number{};
    std::memcpy(&number, m_Bytes.data() + m_Place, sizeof(number));
    m_Place += sizeof(number);
    return number;
  }

  /** Two's complement of a given number of bytes. */
  int64_t
  LongNumber()
  {
    const auto length = Number<uint8_t>();
    CheckRest(length);
    if (length > sizeof(int64_t))
    {
      Fail("holds a number of " + std::to_string(length) + " bytes, expected 8 at most");
    }
    const bool isNegative = length > 0 && (static_cast<unsigned char>(m_Bytes[m_Place + length - 1]) & 0x80) != 0;
    int64_t    number = isNegative ? -1 : 0;
    std::memcpy(&number, m_Bytes.data() + m_Place, length);
    m_Place += length;
    return number;
  }

  std::string
  Line()
  {
    const auto end = m_Bytes.find('\n', m_Place);
    if (end == std::string::npos)
    {
      Fail("is truncated");
    }
    std::string line = m_Bytes.substr(m_Place, end - m_Place);
    m_Place = end + 1;
    return line;
  }

  [[noreturn]] void
  Fail(const std::string & what) const
  {
    throw Error(m_Where + ": its pickle " + what);
  }

  const std::string &                          m_Bytes;
  const std::string &                          m_Where;
  std::deque<PickledValue> &                   m_Values;
  size_t                                       m_Place{ 0 };
  std::vector<PickledValue *>                  m_Stack;
  std::vector<size_t>                          m_Marks;
  std::unordered_map<uint32_t, PickledValue *> m_Memo;
};

Pickle::Pickle(const std::string & bytes, const std::string & where)
{
  m_Root = Machine(bytes, where, m_Values).Run();
}
} // namespace sam
