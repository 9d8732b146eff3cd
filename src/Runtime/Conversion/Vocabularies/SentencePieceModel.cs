using System.Buffers.Binary;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Conversion.Vocabularies;

/// <summary>A SentencePiece model file (<c>tokenizer.model</c>, <c>spiece.model</c>): a protocol buffer, of which this much is read.</summary>
/// <remarks>
/// Source: sentencepiece_model.proto. ModelProto: 1 pieces (1 text, 2 score, 3 type), 2 trainer (3 algorithm), 3 normalizer
/// (2 character map, 3 adds a space, 4 removes extra spaces). Untrusted: every length is checked against the bytes left.
/// </remarks>
internal sealed class SentencePieceModel
{
    private const int LargestFile = 1 << 28;

    private readonly string _path;

    private SentencePieceModel(string path) => _path = path;

    /// <summary>One piece of the vocabulary.</summary>
    public readonly record struct Piece(string Text, float Score, TokenKind Kind);

    /// <summary>The pieces, by id.</summary>
    public List<Piece> Pieces { get; } = [];

    /// <summary>Whether the algorithm is unigram; otherwise byte-pair encoding.</summary>
    public bool IsUnigram { get; private set; } = true;

    /// <summary>The normalizer's compiled replacements; empty for none.</summary>
    public byte[] CharacterMap { get; private set; } = [];

    /// <summary>Whether a space is put before every text.</summary>
    public bool AddsSpacePrefix { get; private set; } = true;

    /// <summary>Whether runs of spaces become one and those at the ends go.</summary>
    public bool RemovesExtraSpaces { get; private set; } = true;

    /// <summary>Reads a file.</summary>
    /// <exception cref="ModelFormatException">It is no SentencePiece model.</exception>
    /// <exception cref="UnsupportedModelException">The algorithm is neither unigram nor byte-pair encoding.</exception>
    public static SentencePieceModel Read(string path)
    {
        if (new FileInfo(path).Length > LargestFile)
            throw new ModelFormatException($"the file is larger than {LargestFile} bytes", path);
        var model = new SentencePieceModel(path);
        var message = new ProtocolReader(File.ReadAllBytes(path), path);
        while (message.Next(out var field))
        {
            if (field.Number == 1)
                model.Pieces.Add(model.ReadPiece(message.Message(field)));
            else if (field.Number == 2)
                model.ReadTrainer(message.Message(field));
            else if (field.Number == 3)
                model.ReadNormalizer(message.Message(field));
        }

        return model.Pieces.Count > 0 ? model : throw new ModelFormatException("the file holds no pieces, expected a SentencePiece model", path);
    }

    private Piece ReadPiece(ProtocolReader message)
    {
        var (text, score, kind) = ("", 0f, 1L);
        while (message.Next(out var field))
        {
            switch (field.Number)
            {
                case 1:
                    text = GgufText.FromBytes(message.Bytes(field));
                    break;
                case 2:
                    score = message.Single(field);
                    break;
                case 3:
                    kind = message.Integer(field);
                    break;
                default:
                    break;
            }
        }

        // The types are numbered as GGUF's.
        return kind is >= 1 and <= 6 && float.IsFinite(score) && text.Length > 0 ? new Piece(text, score, (TokenKind)kind)
            : throw new ModelFormatException($"piece {Pieces.Count} '{text}' has the type {kind} and the score {score}", _path);
    }

    private void ReadTrainer(ProtocolReader message)
    {
        while (message.Next(out var field))
        {
            if (field.Number == 3)
            {
                var algorithm = message.Integer(field);
                IsUnigram = algorithm == 1;
                if (algorithm is not (1 or 2))
                    throw new UnsupportedModelException($"SentencePiece's algorithm {algorithm} in {_path}", ["1 (unigram)", "2 (BPE)"]);
            }
        }
    }

    private void ReadNormalizer(ProtocolReader message)
    {
        while (message.Next(out var field))
        {
            switch (field.Number)
            {
                case 2:
                    CharacterMap = message.Bytes(field).ToArray();
                    break;
                case 3:
                    AddsSpacePrefix = message.Integer(field) != 0;
                    break;
                case 4:
                    RemovesExtraSpaces = message.Integer(field) != 0;
                    break;
                default:
                    break;
            }
        }
    }
}

/// <summary>Reads the fields of one protocol buffer message; whoever does not ask for a field's value passes over it.</summary>
internal ref struct ProtocolReader(ReadOnlySpan<byte> bytes, string source)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private readonly string _source = source;
    private int _position;

    /// <summary>A field: its number, its wire type (0 varint, 1 eight bytes, 2 counted bytes, 5 four bytes), and where its value lies.</summary>
    public readonly record struct Field(int Number, int WireType, int Start, int Length, ulong Value);

    /// <summary>Goes to the next field; false at the end.</summary>
    /// <exception cref="ModelFormatException">The message is broken.</exception>
    public bool Next(out Field field)
    {
        field = default;
        if (_position == _bytes.Length)
            return false;
        var key = Varint();
        var type = (int)(key & 7);
        var value = type is 0 or 2 ? Varint() : 0;
        var length = type switch { 0 => 0UL, 1 => 8UL, 2 => value, 5 => 4UL, _ => throw Fault($"the unknown wire type {type}") };
        if (key >> 3 is 0 or > int.MaxValue || length > (ulong)(_bytes.Length - _position))
            throw Fault($"a field of {length} bytes, of which {_bytes.Length - _position} are left");
        field = new Field((int)(key >> 3), type, _position, (int)length, value);
        _position += (int)length;
        return true;
    }

    public readonly ReadOnlySpan<byte> Bytes(Field field) => field.WireType == 2 ? _bytes.Slice(field.Start, field.Length) : throw Fault($"wire type {field.WireType} where bytes are expected");

    public readonly ProtocolReader Message(Field field) => new(Bytes(field), _source);

    public readonly long Integer(Field field) => field.WireType == 0 ? (long)field.Value : throw Fault($"wire type {field.WireType} where a number is expected");

    public readonly float Single(Field field)
        => field.WireType == 5 ? BinaryPrimitives.ReadSingleLittleEndian(_bytes[field.Start..]) : throw Fault($"wire type {field.WireType} where a float is expected");

    private ulong Varint()
    {
        var value = 0UL;
        for (var shift = 0; shift < 64 && _position < _bytes.Length; shift += 7)
        {
            var next = _bytes[_position++];
            value |= (ulong)(next & 127) << shift;
            if (next < 128)
                return value;
        }

        throw Fault("a number without end");
    }

    private readonly ModelFormatException Fault(string found) => new($"no valid protocol buffer: {found}", _source, _position);
}
