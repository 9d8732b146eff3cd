using System.Runtime.InteropServices;

namespace Hearth.Runtime.Interop;

// The structs of hearth.h, field for field; the tests compare their sizes and offsets with the library's own.

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeSystem
{
    public int BestIsa;
    public uint IsaMask;
    public int Devices;
    public int Processors;
    public int Cores;
    public fixed byte Processor[64];
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeArithmetic
{
    public double Int8Products;
    public double Float32Products;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeEngineOptions
{
    public int Threads;
    public int Isa;
    public int Pinned;
    public int Device;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeEmbedParameters
{
    public int Index;
    public float Scale;
    public int Ranged;
    public int First;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeNormParameters
{
    public float Epsilon;
    public int GroupWidth;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeRopeParameters
{
    public int Layout;
    public int HeadWidth;
    public int Dimensions;
    public int OriginalContext;
    public float Base;
    public float FrequencyScale;
    public float Extrapolation;
    public float AttentionFactor;
    public float BetaFast;
    public float BetaSlow;
    public int Offset;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeAttentionParameters
{
    public int Source;
    public int Layer;
    public int Heads;
    public int KvHeads;
    public int KeyWidth;
    public int ValueWidth;
    public int Mask;
    public int Window;
    public int PrefixLength;
    public float Scale;
    public float Softcap;
    public float AlibiBias;
    public int BiasBuckets;
    public int BiasDistance;
    public int TemperatureLength;
    public float Temperature;
    public float TemperatureOffset;
    public int ChunkMemory;
    public int RelativeDistances;
    public int ValuesInKeys;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeCacheWriteParameters
{
    public int Layer;
    public int KvHeads;
    public int KeyWidth;
    public int ValueWidth;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeFactorParameters
{
    public float Factor;
    public float Offset;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeActivationParameters
{
    public int Function;
    public float NegativeAlpha;
    public float PositiveAlpha;
    public float Beta;
    public float Epsilon;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeClampParameters
{
    public float Least;
    public float Most;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeSliceParameters
{
    public int Groups;
    public int Offset;
    public int Width;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeRouterParameters
{
    public int Chosen;
    public int Gating;
    public int Groups;
    public int ChosenGroups;
    public int Normalize;
    public int ChooseByScore;
    public float LeastSum;
    public float Scale;
    public int ExpertsPerMatrix;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeConvolutionParameters
{
    public int State;
    public int Taps;
    public int Function;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeScanParameters
{
    public int State;
    public int Heads;
    public int HeadWidth;
    public int StateWidth;
    public int Groups;
    public int DecaysByState;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeDeltaParameters
{
    public int State;
    public int Heads;
    public int KeyHeads;
    public int KeyWidth;
    public int ValueWidth;
    public int DecayWidth;
    public int KeysInTurns;
    public float Scale;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeWkvParameters
{
    public int State;
    public int Heads;
    public int KeyWidth;
    public int ValueWidth;
    public float Scale;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeChooseKeysParameters
{
    public int Layer;
    public int Heads;
    public int KeyWidth;
}

/// <summary>The union of all operations' parameters.</summary>
[StructLayout(LayoutKind.Explicit, Size = 96)]
internal struct NativeParameters
{
    [FieldOffset(0)]
    public NativeEmbedParameters Embed;
    [FieldOffset(0)]
    public int Function; // linear
    [FieldOffset(0)]
    public NativeActivationParameters Activation;
    [FieldOffset(0)]
    public int Groups; // concat
    [FieldOffset(0)]
    public NativeClampParameters Clamp;
    [FieldOffset(0)]
    public NativeSliceParameters Slice;
    [FieldOffset(0)]
    public NativeRouterParameters Router;
    [FieldOffset(0)]
    public NativeNormParameters Norm;
    [FieldOffset(0)]
    public NativeRopeParameters Rope;
    [FieldOffset(0)]
    public NativeAttentionParameters Attention;
    [FieldOffset(0)]
    public NativeCacheWriteParameters CacheWrite;
    [FieldOffset(0)]
    public NativeFactorParameters Factor;
    [FieldOffset(0)]
    public NativeConvolutionParameters Convolution;
    [FieldOffset(0)]
    public NativeScanParameters Scan;
    [FieldOffset(0)]
    public NativeDeltaParameters Delta;
    [FieldOffset(0)]
    public NativeWkvParameters Wkv;
    [FieldOffset(0)]
    public NativeChooseKeysParameters ChooseKeys;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeOperation
{
    public const int Inputs = 6;

    public int Kind;
    public fixed int Input[Inputs];
    public fixed int Output[3];
    public fixed int Weight[6];
    public NativeParameters Parameters;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeWeight
{
    public int Type;
    public int Stack;
    public long Columns;
    public long Rows;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeProgram
{
    public NativeOperation* Operations;
    public int* ValueWidths;
    public NativeWeight* Weights;
    public int OperationCount;
    public int ValueCount;
    public int WeightCount;
    public int Result;
    public int MaxRows;
    public int MaxOutputRows;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeModelMemory
{
    public ulong WeightBytes;
    public ulong ScratchBytes;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeCacheLayer
{
    public int KvHeads;
    public int KeyWidth;
    public int ValueWidth;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeCacheOptions
{
    public NativeCacheLayer* Layers;
    public int LayerCount;
    public int KeyType;
    public int ValueType;
    public int PageTokens;
    public int PageCount;
    public long* StateWidths;
    public int StateLayerCount;
    public int StateCount;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeStep
{
    public int* Tokens;
    public float* Embeddings;
    public int* Positions;
    public void* Sequences;
    public int* Pages;
    public int* OutputRows;
    public float* Output;
    public nuint OutputSize;
    public nuint EmbeddingsSize;
    public void* Checkpoints;
    public int RowCount;
    public int SequenceCount;
    public int PageCount;
    public int OutputCount;
    public int CheckpointCount;
    public int Reserved;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeProbe
{
    public int Operation;
    public int KeyCount;
    public int HeadBegin;
    public int HeadCount;
    public float* Probabilities;
    public nuint Size;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeAttentionCall
{
    public float* Queries;
    public float* Keys;
    public float* Values;
    public float* Sinks;
    public float* Biases;
    public float* Output;
    public nuint QuerySize;
    public nuint KeySize;
    public nuint ValueSize;
    public nuint SinkSize;
    public nuint BiasSize;
    public nuint OutputSize;
    public int QueryRows;
    public int KeyRows;
    public int Past;
    public int Reserved;
    public NativeAttentionParameters Parameters;
}
