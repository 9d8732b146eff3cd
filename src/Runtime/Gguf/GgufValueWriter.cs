using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Hearth.Runtime.Gguf;

/// <summary>Metadata values as bytes.</summary>
internal static class GgufValueWriter
{
    /// <summary>The type number that a value is written with, or null for types that the format lacks.</summary>
    public static GgufValueType? TypeOf(object value) => value switch
    {
        byte => GgufValueType.UInt8,
        sbyte => GgufValueType.Int8,
        ushort => GgufValueType.UInt16,
        short => GgufValueType.Int16,
        uint => GgufValueType.UInt32,
        int => GgufValueType.Int32,
        ulong => GgufValueType.UInt64,
        long => GgufValueType.Int64,
        float => GgufValueType.Float32,
        double => GgufValueType.Float64,
        bool => GgufValueType.Bool,
        string => GgufValueType.String,
        Array { Rank: 1 } array => ElementType(array) is null ? null : GgufValueType.Array,
        _ => null,
    };

    /// <summary>Writes a value that <see cref="TypeOf"/> accepts, without its type number.</summary>
    public static void Value(IBufferWriter<byte> to, object value)
    {
        switch (value)
        {
            case string text: String(to, text); break;
            case Array array: Elements(to, array); break;
            case byte or sbyte or bool: to.Write([value is bool flag ? (byte)(flag ? 1 : 0) : value is byte b ? b : (byte)(sbyte)value]); break;
            case ushort v: Number(to, v, BinaryPrimitives.WriteUInt16LittleEndian, 2); break;
            case short v: Number(to, v, BinaryPrimitives.WriteInt16LittleEndian, 2); break;
            case uint v: UInt32(to, v); break;
            case int v: UInt32(to, (uint)v); break;
            case float v: UInt32(to, BitConverter.SingleToUInt32Bits(v)); break;
            case ulong v: UInt64(to, v); break;
            case long v: UInt64(to, (ulong)v); break;
            case double v: UInt64(to, BitConverter.DoubleToUInt64Bits(v)); break;
            default: throw new ArgumentException($"GGUF metadata cannot hold a {value.GetType().Name}", nameof(value));
        }
    }

    public static void String(IBufferWriter<byte> to, string text)
    {
        var bytes = GgufText.GetBytes(text);
        UInt64(to, (ulong)bytes.Length);
        to.Write(bytes);
    }

    public static void UInt32(IBufferWriter<byte> to, uint value) => Number(to, value, BinaryPrimitives.WriteUInt32LittleEndian, 4);

    public static void UInt64(IBufferWriter<byte> to, ulong value) => Number(to, value, BinaryPrimitives.WriteUInt64LittleEndian, 8);

    private delegate void Put<T>(Span<byte> at, T value);

    private static void Number<T>(IBufferWriter<byte> to, T value, Put<T> put, int bytes)
    {
        put(to.GetSpan(bytes), value);
        to.Advance(bytes);
    }

    private static GgufValueType? ElementType(Array array) => array switch
    {
        // The runtime lets byte[] pass for sbyte[] and int[] for uint[] in patterns, so the element type decides.
        _ when array.GetType() == typeof(byte[]) => GgufValueType.UInt8,
        _ when array.GetType() == typeof(sbyte[]) => GgufValueType.Int8,
        _ when array.GetType() == typeof(ushort[]) => GgufValueType.UInt16,
        _ when array.GetType() == typeof(short[]) => GgufValueType.Int16,
        _ when array.GetType() == typeof(uint[]) => GgufValueType.UInt32,
        _ when array.GetType() == typeof(int[]) => GgufValueType.Int32,
        _ when array.GetType() == typeof(ulong[]) => GgufValueType.UInt64,
        _ when array.GetType() == typeof(long[]) => GgufValueType.Int64,
        _ when array.GetType() == typeof(float[]) => GgufValueType.Float32,
        _ when array.GetType() == typeof(double[]) => GgufValueType.Float64,
        _ when array.GetType() == typeof(bool[]) => GgufValueType.Bool,
        string[] strings => Array.TrueForAll(strings, s => s is not null) ? GgufValueType.String : null,
        object[] arrays when array.GetType() == typeof(object[]) => NestedArrays(arrays) ? GgufValueType.Array : null,
        _ => null,
    };

    private static bool NestedArrays(object[] arrays)
        => Array.TrueForAll(arrays, a => a is Array { Rank: 1 } inner && ElementType(inner) is not null);

    private static void Elements(IBufferWriter<byte> to, Array array)
    {
        var type = ElementType(array) ?? throw new ArgumentException($"GGUF metadata cannot hold a {array.GetType().Name}", nameof(array));
        UInt32(to, (uint)type);
        UInt64(to, (ulong)array.LongLength);
        switch (array)
        {
            case string[] strings:
                foreach (var text in strings)
                    String(to, text);
                break;
            case object[] arrays:
                foreach (var inner in arrays)
                    Elements(to, (Array)inner);
                break;
            default:
                // Numbers and truth values lie in memory as in the file: little-endian, one byte for bool.
                to.Write(MemoryMarshal.CreateReadOnlySpan(ref MemoryMarshal.GetArrayDataReference(array), Buffer.ByteLength(array)));
                break;
        }
    }
}
